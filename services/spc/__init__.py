"""Statistical process control: pure functions over arrays, for any service that shows a measure over time.

    from services.spc.chart import Kind, draw
    chart = draw(Kind.U, events, exposure, scale=1000)      # one series, or an array of many with the same months
    chart.icon(), chart.assurance(target=2.0), chart.signals.shift

The rules are those of NHS England's Making Data Count; docs/decisions/0019-statistics.md says which choices are made
and what they are checked against. Imports the standard library, numpy and scipy only.
"""
