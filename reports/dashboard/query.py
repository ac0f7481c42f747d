"""The SQL box: one query that reads the lake's relations; it cannot write nor read other files."""

import duckdb
import streamlit as st

from dashboard import page
from runner.asking import again
from runner.dashboard import box
from runner.dashboard.lake import Viewer, catalog_state

EXAMPLE = "from latest_price order by symbol"


def draw(viewer: Viewer) -> None:
    """A query, its rows, its files."""
    st.caption(
        "One query that reads. Relations: `show tables`; columns: `describe bars_1m`; plan: "
        "`explain from tape`. Filter on symbol and day. At most "
        f"{box.ROWS:,} rows, {box.SECONDS} s and {box.MEMORY} of memory. This page does not "
        "refresh by itself."
    )
    with st.form("query_form"):
        query = st.text_area("Query", EXAMPLE, height=140, key="query")
        st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
    if not viewer.symbols().num_rows:
        page.empty("This lake has no bars yet.", "lake collect", "lake build")
    answer = again(lambda: box.ask(_connection(viewer), query, viewer.models))
    if answer.is_cut:
        st.warning(f"These are the first {box.ROWS:,} rows; `lake sql` shows all.")
    if answer.is_plan:
        st.code(answer.rows["explain_value"][0].as_py(), language=None)
        return
    st.caption(f"{answer.rows.num_rows:,} rows")
    page.table(answer.rows, "query", is_exact=True)


def _connection(viewer: Viewer) -> duckdb.DuckDBPyConnection:
    """The box's own connection, with the lake's views as they are now."""
    noted = catalog_state(viewer.lake)
    if st.session_state.get("box_catalog", ()) != noted:
        st.session_state["box"] = box.connect(viewer.lake, viewer.models)
        st.session_state["box_catalog"] = noted
    return st.session_state["box"]


page.show("SQL", draw, refreshes=False)
