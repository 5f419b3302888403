import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counters, series } from '../../../gateway/observe/counters.ts'
import { renderPrometheus } from '../../../gateway/observe/prometheus.ts'

test('counts by series and starts at nothing', () => {
  const counters = new Counters()
  counters.count('late response')
  counters.count('late response')
  counters.count('octets', 1200)
  assert.equal(counters.get('late response'), 2)
  assert.equal(counters.get('octets'), 1200)
  assert.equal(counters.get('never'), 0)
})

test('labels are escaped as Prometheus wants them', () => {
  assert.equal(
    series('tries', { code: 'handler.timeout', path: 'a"b\\c\nd' }),
    'tries{code="handler.timeout",path="a\\"b\\\\c\\nd"}',
  )
  assert.equal(series('tries', {}), 'tries')
})

test('renders one TYPE line per family, sorted, with names Prometheus takes', () => {
  const counters = new Counters()
  counters.count(series('tries', { code: 'b' }))
  counters.count('late response', 3)
  counters.count(series('tries', { code: 'a' }), 2)
  counters.gauge('transactions', () => 7)
  assert.equal(
    renderPrometheus(counters),
    [
      '# TYPE rouse_late_response_total counter',
      'rouse_late_response_total 3',
      '# TYPE rouse_tries_total counter',
      'rouse_tries_total{code="a"} 2',
      'rouse_tries_total{code="b"} 1',
      '# TYPE rouse_transactions gauge',
      'rouse_transactions 7',
      '',
    ].join('\n'),
  )
})

test('nothing counted renders as nothing', () => {
  assert.equal(renderPrometheus(new Counters()), '')
})
