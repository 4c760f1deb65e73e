/**
 * Draws what a terminal showed as an SVG: `FORCE_COLOR=1 npm run -s demo -- --script | node scripts/terminal-picture.mjs > docs/demo.svg`.
 * Text stays text, so the picture can be read, searched and copied from.
 */
import { text } from 'node:stream/consumers';

const COLUMNS = 116;
const LINE = 17;
const WIDTH = COLUMNS * 7.25 + 48;
const colours = { 31: '#ff7b72', 32: '#7ee787', 36: '#79c0ff' };

const lines = (await text(process.stdin)).trimEnd().split('\n');
const height = lines.length * LINE + 72;

const body = lines.map((line, index) => {
  const spans = spansOf(line).map(({ content, style }) => {
    const fill = style.colour === undefined ? '' : ` fill="${style.colour}"`;
    return `<tspan${fill}${style.bold ? ' font-weight="bold"' : ''}>${escaped(content)}</tspan>`;
  });
  return `<text x="24" y="${52 + index * LINE}" xml:space="preserve">${spans.join('')}</text>`;
});

process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="The demo of Gatehouse in a terminal">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<circle cx="22" cy="18" r="5" fill="#ff5f56"/><circle cx="40" cy="18" r="5" fill="#ffbd2e"/><circle cx="58" cy="18" r="5" fill="#27c93f"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="12" fill="#c9d1d9">
${body.join('\n')}
</g>
</svg>
`);

/** Splits at SGR sequences (ECMA-48 §8.3.117) and cuts at the last column. */
function spansOf(line) {
  const spans = [];
  const style = { bold: false, colour: undefined };
  let left = COLUMNS;
  for (const part of line.split(/(\u001b\[[\d;]*m)/)) {
    const codes = /^\u001b\[([\d;]*)m$/.exec(part)?.[1];
    if (codes === undefined) {
      const shown = part.length > left ? `${part.slice(0, Math.max(0, left - 1))}…` : part;
      if (shown !== '' && left > 0) spans.push({ content: shown, style: { ...style } });
      left -= part.length;
      continue;
    }
    for (const code of codes.split(';').map(Number)) {
      if (code === 1) style.bold = true;
      else if (code === 0 || code === 22) style.bold = false;
      if (code === 0 || code === 39) style.colour = undefined;
      else if (colours[code] !== undefined) style.colour = colours[code];
    }
  }
  return spans;
}

function escaped(content) {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
