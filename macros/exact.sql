-- The decimal that a DOUBLE volume was cast from, so that sums over bars stay exact in any order of addition.
-- A double holds 15 digits faithfully: the larger the volume, the fewer of them are decimals.
create or replace macro exact(volume) as
    case
        when abs(volume) < 1 then volume::decimal(38, 16)
        when abs(volume) < 1000 then volume::decimal(38, 12)
        else volume::decimal(38, 8)
    end::decimal(38, 16)
