/* What /status looks like, and the digest of it that the page's policy names: a test says so when
 * they do not belong together. */
#ifndef GATEWAY_STATUS_STYLE_H
#define GATEWAY_STATUS_STYLE_H

#define STATUS_STYLE_SHA256 "Bbq7WfuCmXcSkVJ/6FH5wKeDAdHID9N1jF8A7vhYi0M="

/* clang-format off */
#define STATUS_STYLE \
	":root{--b:#fff;--c:#f4f5f7;--f:#1c2430;--m:#5b6675;--l:#d9dde3;--a:#2f6fde;--g:#1a7f45;--r:#b3261e}\n" \
	"@media(prefers-color-scheme:dark){:root{--b:#12161c;--c:#1b212a;--f:#e6e9ee;--m:#9aa5b4;--l:#323b48;--a:#6ea8ff;--g:#5fd08f;--r:#ff8a80}}\n" \
	"*{box-sizing:border-box}\n" \
	"body{margin:0 auto;max-width:80rem;padding:1rem;background:var(--b);color:var(--f);font:15px/1.45 system-ui,sans-serif}\n" \
	"h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:0 0 .5rem}p{margin:.25rem 0 1rem;color:var(--m)}\n" \
	"main{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,34rem),1fr));gap:1rem}\n" \
	"section,details{background:var(--c);border:1px solid var(--l);border-radius:.5rem;padding:.75rem 1rem;min-width:0}\n" \
	"section:first-child,.w,details{grid-column:1/-1}\n" \
	"@media(max-width:36rem){body{padding:.5rem}section{padding:.6rem}}\n" \
	".g{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,15rem),1fr));gap:.75rem}\n" \
	"figure{margin:0;background:var(--b);border:1px solid var(--l);border-radius:.4rem;padding:.5rem .6rem}\n" \
	"figcaption{display:flex;justify-content:space-between;gap:.5rem}small{color:var(--m)}\n" \
	"svg{display:block;width:100%;height:3.5rem;border-bottom:1px solid var(--l)}\n" \
	"path{fill:var(--a);fill-opacity:.25;stroke:var(--a);stroke-width:1.5;vector-effect:non-scaling-stroke}\n" \
	".t{overflow-x:auto}table{border-collapse:collapse;width:100%}\n" \
	"th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--l);white-space:nowrap}\n" \
	"th{color:var(--m);font-weight:600;font-size:.85rem;white-space:normal;vertical-align:bottom}\n" \
	"@media(max-width:36rem){th,td{white-space:normal;font-size:.85rem;padding-right:.4rem}}\n" \
	".n{text-align:right;font-variant-numeric:tabular-nums}\n" \
	"span{font-weight:600}.ok{color:var(--g)}.bad{color:var(--r)}h1 span{font-size:1rem}\n" \
	"summary{cursor:pointer;font-weight:600}code{font-size:.85em}"
/* clang-format on */

#endif
