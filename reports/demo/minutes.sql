-- The minutes of one symbol.
from bars_1m where symbol = 'SOLUSDT' order by all
