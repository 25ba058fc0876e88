// The style sheet of the report. Colours are variables, so that dark is one block of them.
#pragma once

namespace trivium::tools {

inline constexpr char kReportStyle[] = R"css(
:root{color-scheme:light dark;--page:#f7f7f4;--card:#fff;--ink:#1c1d1f;--soft:#63656a;--line:#e3e3de;
--s0:#2a6fd1;--s1:#d9662b;--s2:#2b8a5f;--s3:#8a5cc2;--good:42,111,209;--bad:214,84,40}
@media (prefers-color-scheme:dark){:root{--page:#141518;--card:#1c1e22;--ink:#ececea;--soft:#9a9da3;
--line:#31343a;--s0:#6ba3f0;--s1:#f0935f;--s2:#5fc097;--s3:#b695e6;--good:107,163,240;--bad:240,120,80}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",sans-serif}
main{max-width:1080px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:30px;line-height:1.2;margin:0;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:18px;margin:44px 0 4px}
h3{font-size:14px;margin:0;font-weight:600}
h3 small{font-weight:400;color:var(--soft);margin-left:6px}
p{margin:4px 0 14px;color:var(--soft);max-width:70ch}
.lead{font-size:16px;margin:6px 0 26px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.tiles dt{color:var(--soft);font-size:13px}
.tiles dd{margin:0;font-size:23px;font-weight:600;font-variant-numeric:tabular-nums}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:2px 28px;margin:16px 0 0;
font-size:14px}
.facts div{display:flex;justify-content:space-between;gap:16px;border-bottom:1px solid var(--line);
padding:4px 0}
.facts dt{color:var(--soft)}
.facts dd{margin:0;text-align:right;font-variant-numeric:tabular-nums}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:16px;
margin-top:12px}
.wide .chart:first-child{grid-column:1/-1}
.chart{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:14px 16px 8px}
.chart figcaption{display:flex;flex-wrap:wrap;justify-content:space-between;gap:4px 16px}
.chart svg{display:block;width:100%;height:auto;margin-top:6px;overflow:visible}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;list-style:none;margin:0;padding:0;font-size:13px;
color:var(--soft)}
.key{display:inline-block;width:14px;height:3px;border-radius:2px;vertical-align:middle;margin-right:6px;
background:currentColor}
.s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}
.line{fill:none;stroke:currentColor;stroke-width:2.6;stroke-linejoin:round;stroke-linecap:round}
.grid{stroke:var(--line);stroke-width:1}
.axis{stroke:var(--soft);stroke-width:1;opacity:.6}
.tick,.label{fill:var(--soft);font-size:17px;font-variant-numeric:tabular-nums}
.hit rect{fill:transparent}
.hit .cursor{stroke:var(--soft);stroke-dasharray:2 3}
.hit .dot{fill:currentColor;stroke:var(--card);stroke-width:2}
.hit .cursor,.hit .dot{opacity:0;pointer-events:none}
.hit:hover .cursor,.hit:hover .dot{opacity:1}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:14px 16px;margin-top:12px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
.matrix{width:100%}
.matrix td{min-width:44px;height:36px;text-align:center;border:2px solid var(--card);border-radius:6px}
.matrix th{font-weight:500;color:var(--soft);padding:0 8px;font-size:13px}
.matrix .zero{color:var(--line)}
.matrix .recall{text-align:right;padding-left:14px;color:var(--soft);white-space:nowrap}
.times{width:100%}
.times th{font-weight:500;color:var(--soft);text-align:right;padding:2px 10px 6px;font-size:13px;
white-space:nowrap}
.times td{text-align:right;padding:4px 10px;border-top:1px solid var(--line);white-space:nowrap}
.times th:nth-child(-n+2),.times td:nth-child(-n+2){text-align:left}
.times td:nth-child(2){color:var(--soft)}
.times td.bar{width:34%;min-width:150px;text-align:left;font-size:0}
.bar span{display:inline-block;height:10px;vertical-align:middle;background:currentColor}
.bar span:first-child{border-radius:3px 0 0 3px}.bar span:last-child{border-radius:0 3px 3px 0}
.times tfoot td{font-weight:600}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(112px,1fr));gap:12px;margin-top:12px}
.sample{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px;
text-align:center;font-size:13px}
.sample img{width:84px;height:84px;image-rendering:pixelated;border-radius:4px;display:block;
margin:0 auto 8px;background:#000}
.sample b{font-size:15px}
.sample .wrong{color:rgb(var(--bad))}
.meter{height:4px;border-radius:2px;background:var(--line);margin-top:6px;overflow:hidden}
.meter i{display:block;height:100%;background:rgb(var(--bad))}
.sample small{color:var(--soft)}
pre{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px;margin:8px 0 0;
overflow-x:auto;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
footer{margin-top:48px;color:var(--soft);font-size:13px}
@media print{body{background:#fff}main{padding:0}}
)css";

}  // namespace trivium::tools
