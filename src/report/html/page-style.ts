/** The style sheet of the HTML report. Colours have a contrast of at least 4.5:1 on their ground in both schemes (WCAG 2.1 AA). */
export const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --panel: #f6f7f9; --line: #d3d7de; --ink: #1b1f24; --soft: #57606a;
  --error: #b3261e; --warning: #8a5300; --info: #0b5cad; --ok: #1a7f37; --mark: #fbe9e7; --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --panel: #1c2026; --line: #39404a; --ink: #e7eaee;
  --soft: #a3adb9; --error: #ff8a80; --warning: #f2b24c; --info: #7fbaff; --ok: #6fd08c; --mark: #3b2220; --link: #7fbaff; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
main, header.top, footer { max-width: 62rem; margin: 0 auto; padding: 0 1rem; }
header.top { padding-top: 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .25rem 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1.08rem; line-height: 1.35; margin: 0; }
h4 { font-size: .95rem; margin: 1.1rem 0 .3rem; }
p { margin: .3rem 0; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, summary:focus-visible,
[tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
code, pre, .mono { font: .875em/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .75rem; margin: .3rem 0;
  overflow-x: auto; white-space: pre-wrap; }
.soft { color: var(--soft); }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--ground); padding: .5rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; background: var(--panel); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td.mono, td.num { white-space: nowrap; overflow-wrap: normal; } td code { white-space: pre-wrap; }
td { min-width: 3rem; } main h3 { margin-top: 1rem; } .card h3 { margin-top: 0; }
td.num, th.num { text-align: right; font-variant-numeric: tabular-nums; }
tr.broken td:first-child { box-shadow: inset 4px 0 var(--error); }
ul { margin: .2rem 0; padding-left: 1.2rem; }
.verdicts { list-style: none; margin: .6rem 0; padding: 0; }
.verdicts li { margin: .35rem 0; padding-left: 1.6rem; text-indent: -1.6rem; }
.verdicts .do { display: block; text-indent: 0; }
.sign { display: inline-block; width: 1.6rem; text-indent: 0; font-weight: 700; }
.error .sign, .sign.error { color: var(--error); } .warning .sign, .sign.warning { color: var(--warning); }
.info .sign, .sign.info { color: var(--info); } .ok { color: var(--ok); }
.card { border: 1px solid var(--line); border-left: 5px solid var(--line); border-radius: 8px; padding: .9rem 1rem;
  margin: 1rem 0; scroll-margin-top: 1rem; }
.card.error { border-left-color: var(--error); } .card.warning { border-left-color: var(--warning); }
.card.info { border-left-color: var(--info); }
.facts { display: grid; grid-template-columns: 5.5rem 1fr; gap: .25rem .75rem; margin: .6rem 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; }
.facts dd.lost code { background: var(--mark); padding: .1rem .3rem; border-radius: 4px; }
.tags { display: flex; flex-wrap: wrap; gap: .4rem; margin: .35rem 0 0; }
.tag { border: 1px solid var(--line); border-radius: 1rem; padding: 0 .6rem; font-size: .82rem; color: var(--soft); }
.chain { display: flex; flex-wrap: nowrap; align-items: stretch; list-style: none; margin: .8rem 0; padding: 0; }
.chain .host { border: 1px solid var(--line); background: var(--panel); border-radius: 6px; padding: .35rem .6rem;
  min-width: 7rem; text-align: center; }
.chain .host.culprit { border: 2px solid var(--error); }
.chain .host .mono { color: var(--soft); display: block; }
.chain .leg { flex: 1; min-width: 3.5rem; text-align: center; position: relative; padding: 0 .3rem; display: flex;
  flex-direction: column; justify-content: center; }
.chain .wire { height: 0; border-top: 2px solid var(--soft); position: relative; margin: .3rem 0; }
.chain .wire::after { content: ""; position: absolute; right: -1px; top: -6px; border: 5px solid transparent;
  border-left-color: var(--soft); border-right: 0; }
.chain .leg.cut .wire { border-top: 2px dashed var(--error); }
.chain .x { position: absolute; top: -.85rem; color: var(--error); font-weight: 700; font-size: 1.1rem; line-height: 1.5rem;
  background: var(--ground); padding: 0 .15rem; z-index: 1; }
.chain .x.client { left: 4%; } .chain .x.server { right: 4%; } .chain .x.unknown { left: 46%; }
.chain .note { color: var(--error); font-size: .82rem; }
details { margin: .5rem 0; } summary { cursor: pointer; }
.filters { border: 1px solid var(--line); border-radius: 8px; padding: .1rem .8rem; margin: 1rem 0; background: var(--panel); }
.filters form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; padding: .4rem 0; }
.filters input[type=search], .filters select { font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--soft); border-radius: 5px; padding: .2rem .45rem; max-width: 100%; }
button { font: inherit; color: var(--ink); background: var(--ground); border: 1px solid var(--soft); border-radius: 5px;
  padding: .2rem .7rem; cursor: pointer; }
.hidden { display: none; }
.left-out { border-left: 4px solid var(--warning); padding-left: .75rem; }
svg { display: block; max-width: 100%; height: auto; }
.scroll svg { max-width: none; }
svg text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
svg .soft, svg text.soft { fill: var(--soft); } svg .strong { font-weight: 700; }
svg .lane { stroke: var(--line); stroke-width: 1.5; } svg .arrow { stroke: var(--ink); stroke-width: 1.2; fill: none; }
svg .head { fill: var(--ink); } svg .tcp .arrow { stroke: var(--soft); } svg .tcp .head { fill: var(--soft); }
svg .cut .arrow { stroke: var(--error); stroke-width: 2; } svg .cut .head, svg .cut text { fill: var(--error); }
svg .survived { fill: var(--ok); } svg .closed { fill: var(--warning); } svg .lost, svg .broken { fill: var(--error); }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .timer { stroke: var(--error); stroke-width: 1.5; stroke-dasharray: 5 3; }
svg .healthy { fill: var(--soft); } svg .span { fill: var(--line); } svg .trigger { fill: var(--warning); }
svg .plate { fill: var(--panel); }
footer { color: var(--soft); font-size: .85rem; padding-bottom: 2rem; margin-top: 2rem; border-top: 1px solid var(--line);
  padding-top: .8rem; }
@media (max-width: 40rem) {
  body { font-size: 15px; } h1 { font-size: 1.25rem; }
  .facts { grid-template-columns: 1fr; gap: 0; } .facts dt { margin-top: .4rem; font-weight: 600; }
  .chain { flex-direction: column; } .chain .host { min-width: 0; }
  .chain .leg { min-height: 3.6rem; padding: .2rem 0 .2rem 1.6rem; text-align: left; }
  .chain .wire { position: absolute; left: .8rem; top: .1rem; bottom: .1rem; height: auto; border-top: 0; margin: 0;
    border-left: 2px solid var(--soft); }
  .chain .wire::after { right: -6px; left: -6px; top: auto; bottom: -1px; width: 0; border: 5px solid transparent;
    border-top-color: var(--soft); border-bottom: 0; }
  .chain .leg.cut .wire { border-top: 0; border-left: 2px dashed var(--error); }
  .chain .x, .chain .x.client, .chain .x.server, .chain .x.unknown { left: -.62rem; right: auto; top: auto; }
  .chain .x.client { top: 0; } .chain .x.server { bottom: .5rem; } .chain .x.unknown { top: 35%; }
}
@media print {
  :root { --ground: #fff; --panel: #fff; --ink: #000; --soft: #444; --line: #aaa; --error: #a00; --warning: #740; --info: #036; }
  body { font-size: 10.5pt; } .filters, .skip, .noprint { display: none; } main, header.top, footer { max-width: none; padding: 0; }
  .card, tr, figure, .chain { break-inside: avoid; } .card.long { break-inside: auto; }
  .scroll { overflow: visible; } .scroll svg { max-width: 100%; }
  a { color: inherit; text-decoration: none; }
}
`
