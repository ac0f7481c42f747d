-- Whether a number as text fits a DECIMAL of 8 decimals and so many whole digits without any rounding.
-- Exponents: only those that leave eight decimals (Python writes 0.00001 as 1e-05).
create or replace macro is_exact(number, whole_digits) as
    regexp_full_match(
        number,
        '-?(\d{1,10}(\.\d{0,8}0*)?|\d{11,20}(\.\d{0,8}0*)?|'
        || '\d(\.\d{1,3})?[eE]-0?5|\d(\.\d{1,2})?[eE]-0?6|\d(\.\d)?[eE]-0?7|\d[eE]-0?8)'
    ) and strlen(split_part(ltrim(number, '-'), '.', 1)) <= whole_digits
