"""The Jinja2 template of a report's HTML page."""

TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { --ink: #1c2127; --soft: #5b6570; --line: #dde1e6; --paper: #fff; --ground: #f5f6f8;
  --accent: #0072b2; --good: #00795a; --bad: #b34700; --warn: #fff4dc; --warn-line: #e0a93b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --soft: #9aa5b1; --line: #333b45; --paper: #1c2229; --ground: #13181e;
    --accent: #5db5ea; --good: #3ecf9f; --bad: #ff9a57; --warn: #33290f; --warn-line: #a87c1e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 2.2rem 1.2rem 4rem; }
header h1 { margin: 0 0 .2rem; font-size: 1.75rem; letter-spacing: -.01em; }
header p { margin: 0; color: var(--soft); }
h2 { font-size: 1.15rem; margin: 0 0 .8rem; }
section, .notice { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.2rem 1.35rem; margin-top: 1.2rem; }
.notice { background: var(--warn); border-color: var(--warn-line); }
.notice ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: .9rem;
  margin-top: 1.2rem; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: .85rem 1.1rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .84rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .42rem .7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: .82rem; }
th:first-child, td:first-child, .left { text-align: left; }
tr:last-child td { border-bottom: 0; }
tr.first td { border-top: 2px solid var(--line); }
.better { color: var(--good); font-weight: 600; }
.worse { color: var(--bad); font-weight: 600; }
.soft { color: var(--soft); }
.tag { font-size: .7rem; font-weight: 700; letter-spacing: .04em; padding: .1rem .45rem;
  border-radius: 99px; border: 1px solid var(--warn-line); background: var(--warn); }
.tag.plain { border-color: var(--line); background: none; color: var(--soft); }
figure { margin: 0; }
figure img { display: block; margin: 0 auto; max-width: 100%; background: #fff;
  border-radius: 6px; padding: 6px; }
figcaption, .small { color: var(--soft); font-size: .86rem; margin-top: .6rem; }
p.words { margin: 0; }
details summary, a { cursor: pointer; color: var(--accent); }
pre { overflow-x: auto; font: 12.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace;
  background: var(--ground); border-radius: 6px; padding: .9rem 1rem; margin: .7rem 0 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
</style>
</head>
<body>
<main>
<header>
<h1>{{ title }}</h1>
<p>{{ subtitle }}</p>
</header>

{% if synthetic %}
<div class="notice"><strong>Synthetic targets.</strong> {{ synthetic }}</div>
{% endif %}
{% if missing %}
<div class="notice"><strong>This run is not finished.</strong> Still missing:
<ul>{% for line in missing %}<li>{{ line }}</li>{% endfor %}</ul></div>
{% endif %}
{% if problems %}
<div class="notice"><strong>Some files could not be used.</strong>
<ul>{% for line in problems %}<li>{{ line }}</li>{% endfor %}</ul></div>
{% endif %}

<div class="cards">
{% for card in cards %}
<div class="card"><b class="{{ card.tone }}">{{ card.value }}</b><span>{{ card.label }}</span></div>
{% endfor %}
</div>

{% for block in blocks %}
<section id="{{ block.name }}">
<h2>{{ block.title }}</h2>
{% if block.data %}
<figure><img alt="{{ block.title }}" width="{{ block.width }}"
 src="data:image/svg+xml;base64,{{ block.data }}">
<figcaption>{{ block.caption }}</figcaption></figure>
{% else %}
{% if block.rows %}
<div class="wide"><table>
<thead><tr>
{% for cell in block.head %}<th{% if loop.index0 in block.left %} class="left"{% endif %}>
{{ cell }}</th>{% endfor %}
</tr></thead>
<tbody>
{% for row in block.rows %}
<tr{% if row.first %} class="first"{% endif %}>
{% for cell in row.cells %}
<td class="{{ cell.tone }}{% if loop.index0 in block.left %} left{% endif %}">{{ cell.text }}
{% if cell.tag %}<span class="tag{% if cell.tag == 'measured' %} plain{% endif %}">
{{ cell.tag }}</span>{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if block.note %}
<p class="{{ 'small' if block.rows else 'words' }}">{{ block.note }}</p>{% endif %}
{% if block.link %}<p class="words"><a href="{{ block.link.address }}">{{ block.link.text }}</a></p>
{% endif %}
{% endif %}
</section>
{% endfor %}

<section id="provenance">
<h2>Provenance</h2>
<dl>{% for label, value in provenance %}<dt>{{ label }}</dt><dd>{{ value }}</dd>{% endfor %}</dl>
{% if configuration %}
<details><summary>Configuration as it was resolved</summary><pre>{{ configuration }}</pre></details>
{% endif %}
</section>
</main>
</body>
</html>
"""
