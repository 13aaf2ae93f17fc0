"""How the page looks: colours for light and dark, and the rules that use them.

`COLOURS` is what the rules are made of and what the tests measure: text against what it stands on (WCAG 2.2,
1.4.3), marks against the card (1.4.11), the colours of a chart against each other as people see them who lack
one kind of cone. No chart says anything by colour alone: legends stand in the order of the stack, and the
numbers are in a table.
"""

from __future__ import annotations

SERIES = 6
"""So many colours a chart has; the last is for "other"."""

COLOURS: dict[str, dict[str, str]] = {
    "light": {
        "paper": "#f6f5f1",
        "card": "#ffffff",
        "ink": "#1b2330",
        "soft": "#57606e",
        "rule": "#dcdfe4",
        "link": "#1d4f91",
        "good": "#1d6b3f",
        "warn": "#8a5300",
        "bad": "#a8231c",
        "hover": "#eef1f5",
        "s0": "#173a76",
        "s1": "#e56636",
        "s2": "#0c6c68",
        "s3": "#8d4bb7",
        "s4": "#5b3f01",
        "s5": "#8a929d",
    },
    "dark": {
        "paper": "#10151b",
        "card": "#1a2028",
        "ink": "#e9ecf1",
        "soft": "#a6b0bd",
        "rule": "#35404d",
        "link": "#8ab8f5",
        "good": "#7bd3a0",
        "warn": "#f0b95a",
        "bad": "#ff9b91",
        "hover": "#232b35",
        "s0": "#2896f5",
        "s1": "#9c5d21",
        "s2": "#76f0b4",
        "s3": "#c8b6ee",
        "s4": "#d29922",
        "s5": "#7d8794",
    },
}


def _variables(theme: str) -> str:
    return ";".join(f"--{name}:{value}" for name, value in COLOURS[theme].items())


_SERIES_RULES = "".join(f".s{n}{{fill:var(--s{n});background:var(--s{n})}}" for n in range(SERIES))

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.5;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}
.page{max-width:71rem;margin:0 auto;padding:2.5rem 1.5rem 3rem}
h1{font-size:1.9rem;line-height:1.2;margin:0;letter-spacing:-.015em;text-wrap:balance}
h2{font-size:1.35rem;line-height:1.3;margin:2.75rem 0 .25rem;letter-spacing:-.01em}
h3{font-size:1rem;line-height:1.35;margin:0}
p{margin:.35rem 0 0;max-width:46rem}
a{color:var(--link);text-underline-offset:.15em}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:2px}
bdi{unicode-bidi:isolate;overflow-wrap:anywhere}
.kicker{color:var(--soft);font-size:.9rem;margin:0 0 .4rem}
.lead{font-size:1.15rem;line-height:1.5;margin-top:.9rem;text-wrap:pretty}
.soft,.about,.note{color:var(--soft)}
.about,.note{font-size:.9rem}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem}
.integrity{margin-top:1.5rem;padding:.9rem 1.15rem;background:var(--card);border:1px solid var(--rule);
border-left:5px solid var(--soft);border-radius:8px}
.integrity p{max-width:none}
.integrity h2{margin:0;font-size:1.05rem;letter-spacing:0}
.good{border-left-color:var(--good)}.warn{border-left-color:var(--warn)}.bad{border-left-color:var(--bad)}
.good h2{color:var(--good)}.warn h2{color:var(--warn)}.bad h2{color:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(12.5rem,1fr));gap:1rem;margin:1.25rem 0 0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:.9rem 1.1rem 1rem;
display:flex;flex-direction:column}
.tile dt{color:var(--soft);font-size:.9rem}
.tile dd{margin:0}
.tile .value{font-size:1.75rem;line-height:1.25;font-weight:650;letter-spacing:-.02em;
  font-variant-numeric:tabular-nums}
.tile .more{color:var(--soft);font-size:.85rem;line-height:1.4;flex:1}
.tile .spark{margin-top:.6rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1rem;
  margin-top:1rem}
.pair>*{min-width:0}
figure{background:var(--card);border:1px solid var(--rule);border-radius:8px;
  padding:1rem 1.15rem 1.1rem;
margin:1rem 0 0;min-width:0}
.pair>figure{margin:0}
.pair>figure:has(details[open]){grid-column:1/-1}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.15rem;margin:.6rem 0 0;padding:0;
  font-size:.87rem}
.legend li{display:flex;align-items:baseline;gap:.4rem;min-width:0}
.key{flex:none;width:.72rem;height:.72rem;border-radius:2px;print-color-adjust:exact;
  -webkit-print-color-adjust:exact}
.legend .soft{font-variant-numeric:tabular-nums;white-space:nowrap}
svg{display:block;overflow:visible;font-size:12.5px;print-color-adjust:exact;
  -webkit-print-color-adjust:exact}
.plot{margin:.9rem 0 0 3.6rem;width:calc(100% - 3.6rem)}
.bars{margin-top:.75rem}
svg text{fill:var(--soft);font-variant-numeric:tabular-nums}
svg text.name{fill:var(--ink);font-size:13.5px}
svg text.value{fill:var(--ink);font-size:13.5px;font-weight:600}
.grid{stroke:var(--rule);stroke-width:1;shape-rendering:crispEdges}
.base{stroke:var(--soft);stroke-width:1;shape-rendering:crispEdges}
.grid,.base,.curve,svg text{pointer-events:none}
.hit{fill:transparent;height:190px}
.bars .hit{height:36px}
g:hover>.hit{fill:var(--ink);fill-opacity:.07}
.track{fill:var(--hover)}
.curve{fill:none;stroke:var(--s0);stroke-width:2.25;stroke-linecap:round;stroke-linejoin:round}
details{margin-top:.9rem;font-size:.9rem}
summary{cursor:pointer;color:var(--link);width:fit-content;padding:.15rem 0}
.scroll{overflow-x:auto;margin-top:.5rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.87rem}
caption{text-align:left;color:var(--soft);padding:.1rem 0 .4rem}
th,td{padding:.3rem .75rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--rule)}
th:first-child,td:first-child{padding-left:0}th:last-child,td:last-child{padding-right:0}
thead th{font-weight:600;color:var(--soft);vertical-align:bottom}
tbody th{font-weight:400;min-width:9rem}
tfoot th,tfoot td{font-weight:650;border-bottom:0;border-top:1px solid var(--soft)}
tr>:first-child,.w{text-align:left}
td{white-space:nowrap}.w{white-space:normal;min-width:7rem}
.w:last-child{min-width:14rem}
figure>.scroll caption{position:absolute;left:-99rem}
tbody tr:hover>*{background:var(--hover)}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.25rem;margin:0}
.facts dt{color:var(--soft)}.facts dd{margin:0;min-width:0}
.method{font-size:.92rem}
.method dl{margin:.6rem 0 0}.method dt{font-weight:650;margin-top:.7rem}
.method dd{margin:.1rem 0 0;max-width:50rem}
.end{color:var(--soft);font-size:.85rem;margin-top:2.5rem;border-top:1px solid var(--rule);
  padding-top:.8rem}
code{font-family:ui-monospace,"SF Mono",Consolas,"Liberation Mono",monospace;font-size:.92em;
  overflow-wrap:anywhere}
@media(max-width:34rem){.page{padding:1.5rem .9rem 2rem}h1{font-size:1.5rem}h2{margin-top:2.25rem}
.lead{font-size:1.05rem}
.tiles{grid-template-columns:1fr 1fr;gap:.65rem}.tile{padding:.7rem .8rem}.tile .value{font-size:1.35rem}
.tile:last-child:nth-child(odd){grid-column:1/-1}
tbody th{min-width:7rem}
figure{padding:.85rem .85rem 1rem}.facts{grid-template-columns:1fr;gap:0}
.facts dd{margin-bottom:.5rem}
.plot{margin-left:3rem;width:calc(100% - 3rem)}}
"""

_PRINT = """
@page{margin:14mm}
body{background:#fff;font-size:10.5pt}
.page{max-width:none;padding:0}.end{margin-top:1rem}.method{font-size:9pt}
.skip{display:none}
figure,.tile{border-color:#b9bec6}
.integrity,.whole,p{break-inside:avoid}
tr,.tile{break-inside:avoid}
h2,h3,figcaption,summary,.about{break-after:avoid}
summary{color:inherit;list-style:none}
details::details-content{content-visibility:visible;display:block;block-size:auto}
.scroll{overflow:visible}
table{font-size:6.5pt}th,td{padding:.12rem .22rem}tbody th{min-width:4rem}
.w,.w:last-child{min-width:5rem}
.tiles{grid-template-columns:repeat(5,1fr);gap:.5rem}.tile{padding:.6rem .7rem}.tile .value{font-size:1.3rem}
thead{display:table-header-group}tfoot{display:table-row-group}
"""

STYLE = (
    f":root{{color-scheme:light dark;{_variables('light')}}}"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables('dark')}}}}}"
    f"{_RULES}{_SERIES_RULES}@media print{{:root{{color-scheme:light}}{_PRINT}}}"
)
"""The page's style sheet."""
