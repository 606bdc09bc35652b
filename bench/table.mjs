/** Plain text tables: the first column to the left, the others to the right. */
export function table(heads, rows) {
  const all = [heads, ...rows]
  const widths = heads.map((_, i) => Math.max(...all.map((r) => r[i].length)))
  const line = (r) => r.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')
  return all.map((r) => `  ${line(r)}`.trimEnd()).join('\n')
}

export const seconds = (s) => (s < 10 ? s.toFixed(2) : s.toFixed(1))
export const megabytes = (bytes) => (bytes === null ? '-' : (bytes / 1e6).toFixed(0))
export const thousands = (n) =>
  Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')
