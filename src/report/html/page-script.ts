/**
 * The script of the HTML report: filters, the download of the embedded facts, and opening what is folded before printing. The
 * page says everything without it. It makes no HTML from text.
 */
export const SCRIPT = `
(function () {
  'use strict';
  var form = document.getElementById('filters');
  if (!form) return;
  form.parentElement.classList.remove('hidden');
  var cards = Array.prototype.slice.call(document.querySelectorAll('[data-finding]'));
  var rows = Array.prototype.slice.call(document.querySelectorAll('tr[data-session]'));
  var text = document.getElementById('f-text');
  var rule = document.getElementById('f-rule');
  var broken = document.getElementById('f-broken');
  var said = document.getElementById('f-said');
  function checked(name) {
    return Array.prototype.slice.call(form.querySelectorAll('input[name=' + name + ']:checked')).map(function (i) { return i.value; });
  }
  function apply() {
    var words = text.value.toLowerCase().split(/\\s+/).filter(Boolean);
    var severities = checked('severity');
    var fits = function (el) {
      var hay = el.textContent.toLowerCase();
      return words.every(function (w) { return hay.indexOf(w) >= 0; });
    };
    var shown = 0, listed = 0;
    cards.forEach(function (el) {
      var ok = severities.indexOf(el.dataset.severity) >= 0 && (rule.value === '' || el.dataset.rule === rule.value) && fits(el);
      el.classList.toggle('hidden', !ok);
      if (ok && el.classList.contains('card')) shown++;
    });
    rows.forEach(function (el) {
      var rules = el.dataset.rules ? el.dataset.rules.split(' ') : [];
      var ok = (!broken.checked || el.dataset.broken === '1') && (rule.value === '' || rules.indexOf(rule.value) >= 0) && fits(el);
      el.classList.toggle('hidden', !ok);
      if (ok) listed++;
    });
    said.textContent = shown + ' of ' + cards.filter(function (c) { return c.classList.contains('card'); }).length +
      ' findings, ' + listed + ' of ' + rows.length + ' sessions';
  }
  var waiting = 0;
  form.addEventListener('input', function () { clearTimeout(waiting); waiting = setTimeout(apply, 80); });
  form.addEventListener('submit', function (e) { e.preventDefault(); apply(); });
  form.addEventListener('reset', function () { setTimeout(apply, 0); });
  document.getElementById('f-save').addEventListener('click', function () {
    var blob = new Blob([document.getElementById('facts').textContent], { type: 'application/json' });
    var a = document.createElement('a');
    a.href = URL.createObjectURL(blob);
    a.download = 'mysqlconn-report.json';
    document.body.appendChild(a);
    a.click();
    a.remove();
  });
  window.addEventListener('beforeprint', function () {
    document.querySelectorAll('.card details').forEach(function (d) { d.open = true; });
  });
  function reveal() {
    var el = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (; el; el = el.parentElement) { el.classList.remove('hidden'); if (el.tagName === 'DETAILS') el.open = true; }
  }
  window.addEventListener('hashchange', reveal);
  reveal();
})();
`
