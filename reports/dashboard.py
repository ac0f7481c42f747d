"""The dashboard as Streamlit runs it: which pages there are, and what stands beside all of them."""

from pathlib import Path

import streamlit as st
from dashboard import page

HERE = Path(__file__).parent / "dashboard"
PAGES = {
    "market": ("Market", ":material/candlestick_chart:"),
    "quality": ("Data quality", ":material/fact_check:"),
    "macro": ("Macro and DXY", ":material/public:"),
    "derivatives": ("Funding and open interest", ":material/percent:"),
    "health": ("Health", ":material/monitor_heart:"),
    "query": ("SQL", ":material/database:"),
}

st.set_page_config(page_title="market lake", page_icon=str(HERE / "icon.png"), layout="wide")
chosen = st.navigation(
    [
        st.Page(HERE / f"{name}.py", title=title, icon=icon, url_path=name)
        for name, (title, icon) in PAGES.items()
    ]
)
page.sidebar()
chosen.run()
