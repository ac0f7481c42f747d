-- The moment before which days are over: what comes later may still belong to a younger one.
select now_us - {{ compact.lateness_minutes }} * 60000000 as over_us
from lake_clock
