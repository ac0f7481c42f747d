-- A raw time in microseconds since 1970: older lakes wrote milliseconds. Null outside the years 2000 to 2099.
create or replace macro microseconds(raw_time) as
    case
        when raw_time between 946684800000 and 4102444799999 then raw_time * 1000
        when raw_time between 946684800000000 and 4102444799999999 then raw_time
    end
