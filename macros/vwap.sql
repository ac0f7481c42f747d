-- Volume-weighted average price of a group: sum of price × quantity by sum of quantity; null when nothing traded.
create or replace macro vwap(volume_quote, volume_base) as
    sum(volume_quote)::double / nullif(sum(volume_base)::double, 0)
