using System.Globalization;

namespace Matrix.ToDevice.Bench;

/// <summary>The budgets of the plan that a PostgreSQL run has figures for, as the table of docs/performance.md.</summary>
internal sealed class PostgreSqlBudgets
{
    private readonly List<string> _batching = [], _plain = [], _oneSender = [], _wakeUps = [];
    private string _oneDevice = "", _latency = "";

    public void OneSender(Body body, Figures store, Figures single) =>
        _oneSender.Add(AtMost(1.2, store.P50 / single.P50, body));

    public void ManySenders(Body body, Figures store, Figures single, Figures plain)
    {
        _batching.Add(AtLeast(body.Name switch { "a" => 3.5, "b" => 1.2, _ => 0 }, store.RequestsPerSecond / single.RequestsPerSecond, body));
        _plain.Add(AtLeast(body.Name == "a" ? 0.35 : 0.55, store.RequestsPerSecond / plain.RequestsPerSecond, body));
        if (body.Name == "c") _latency = "; p99 of c " + AtMost(0.25, store.P99 / single.P99);
    }

    public void OneDevice(Figures store, Figures single) =>
        _oneDevice = "; one device " + AtLeast(15, store.RequestsPerSecond / single.RequestsPerSecond);

    public void WakeUps(Body body, Figures with, Figures without) =>
        _wakeUps.Add(AtLeast(0.9, with.RequestsPerSecond / without.RequestsPerSecond, body));

    public void Print()
    {
        Figures.Print("\n| budget | asked | measured |");
        Figures.Print("|---|---|---|");
        Print("B7, 64 senders, of one statement each", "≥ 3.5 (a), 1.2 (b); one device ≥ 15; p99 of c ≤ 0.25", string.Join(", ", _batching) + _oneDevice + _latency);
        Print("B8, 64 senders, of plain batches", "≥ 0.35 (a), 0.55 (b, c)", string.Join(", ", _plain));
        Print("B9, one sender, p50 of one statement each", "≤ 1.2", string.Join(", ", _oneSender));
        Print("B11, two hosts, of the same without wake-ups", "≥ 0.9", string.Join(", ", _wakeUps));

        static void Print(string budget, string asked, string measured) => Figures.Print("| {0} | {1} | {2} |", budget, asked, measured);
    }

    private static string AtLeast(double asked, double measured, Body? body = null) => Text(measured, body, measured < asked ? "below" : null);

    private static string AtMost(double asked, double measured, Body? body = null) => Text(measured, body, measured > asked ? "above" : null);

    private static string Text(double measured, Body? body, string? verdict) => (body, verdict) switch
    {
        (null, null) => Number(measured),
        (null, _) => $"{Number(measured)} (**{verdict}**)",
        (_, null) => $"{Number(measured)} ({body.Name})",
        _ => $"{Number(measured)} ({body.Name}: **{verdict}**)",
    };

    private static string Number(double number) => number.ToString(number < 10 ? "F2" : "F0", CultureInfo.InvariantCulture);
}
