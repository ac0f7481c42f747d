-- One change of a minute that Yahoo had told otherwise before: what it was and what it became, and when that was fetched.
-- grain: ticker, ts, revision
-- file: macro/revisions/{ticker}/{day}
-- Where raw answers are gone, the changes that they told stay as they were published (`kept`).
{% set values = ['open', 'high', 'low', 'close', 'volume'] %}
with versions as (
    select ticker, day, ts, {{ values | join(', ') }}, fetched_us, line, position
    from macro_answers
    {%- if kept %}
    where fetched_us > {{ kept_until_us }} or ts not in (select ts from {{ kept }})
    {%- for side in ['before', 'after'] %}
    union all by name
    select
        ticker,
        day,
        ts,
        {%- for name in values %}
        {{ side }}_{{ name }} as {{ name }},
        {%- endfor %}
        epoch_us({{ side }}_fetched_at) as fetched_us,
        0 as line,
        2 * revision + {{ loop.index }} as position
    from {{ kept }}
    {%- endfor %}
    {%- endif %}
),

whole as (
    from versions
    qualify not lacks_volume(ts, position, volume)
),

steps as (
    select
        *,
        lag(row({{ values | join(', ') }})) over told as before,
        lag(fetched_us) over told as before_us
    from whole
    window told as (partition by ts order by fetched_us, line, position)
)

select
    ticker,
    day,
    ts, -- [UTC] start of the minute that was told otherwise
    -- number of the change among those of the minute, from 1
    row_number() over (partition by ts order by fetched_us, line, position) as revision,
    {%- for name in values %}
    -- [{{ 'shares or contracts' if name == 'volume' else 'as Yahoo quotes it' }}] as it had been told{{ '; NULL: none' if name == 'volume' }}
    before[{{ loop.index }}] as before_{{ name }},
    -- [{{ 'shares or contracts' if name == 'volume' else 'as Yahoo quotes it' }}] as it was told then{{ '; NULL: none' if name == 'volume' }}
    {{ name }} as after_{{ name }},
    {%- endfor %}
    utc_time(before_us) as before_fetched_at, -- [UTC] when the old values were fetched
    utc_time(fetched_us) as after_fetched_at -- [UTC] when the new values were fetched
from steps
where before_us is not null and before is distinct from row({{ values | join(', ') }})
