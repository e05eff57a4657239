using System.Globalization;
using System.Text;

namespace LocalHomeserver.Tests;

/// <summary>
/// Inputs in batches, each followed by a look whether everybody is still served. What goes wrong is traced to an input, and the run
/// goes on, with a new server if need be, so that it ends with a list of kinds.
/// </summary>
internal sealed class FuzzRun(string store, int seed) : IAsyncDisposable
{
    private const int Batch = 50, MaxFailures = 40, MaxServers = 20;

    // Longer than anything takes, also on a busy machine; and for the search, in which each suspect that is innocent takes none of it.
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1), s_limitOfSearch = TimeSpan.FromSeconds(10);

    private readonly FuzzInputs _inputs = new(seed);
    private readonly FuzzCounts _counts = new();
    private readonly Dictionary<string, string> _failures = [];
    private int _servers;
    private FuzzServer? _server;
    private FuzzSender? _sender;
    private FuzzCheck? _check;

    /// <summary>What went wrong, one of each kind.</summary>
    public IReadOnlyCollection<string> Failures => _failures.Values;

    public async Task<string> RunAsync(long first, long count)
    {
        var started = TimeProvider.System.GetTimestamp();
        await StartAsync();
        for (var number = first; number < first + count && _failures.Count < MaxFailures && _servers < MaxServers; number += Batch)
        {
            var batch = new List<FuzzInput>();
            for (var i = number; i < Math.Min(number + Batch, first + count); i++) batch.Add(_inputs.Make(i));
            var problems = await _sender!.SendAsync(batch);
            foreach (var (input, problem) in problems) Fail(input, problem);
            if (problems.Count > 0) _server!.Log.ForgetErrors();
            if (await _check!.ProblemAsync() is not { } wrong) continue;

            await FindCulpritAsync(batch, wrong);
            await StartAsync();
        }

        if (await _check!.BadPeerProblemAsync() is { } ofBadPeer) _failures["bad peer"] = ofBadPeer;
        _counts.LogEntries += _server!.Log.Count;
        return string.Create(CultureInfo.InvariantCulture, $"{count} inputs, {_counts}, {TimeProvider.System.GetElapsedTime(started).TotalSeconds:0} s");
    }

    public async ValueTask DisposeAsync()
    {
        _check?.Dispose();
        _sender?.Dispose();
        if (_server is not null) await _server.DisposeAsync();
    }

    private async Task StartAsync()
    {
        if (_server is not null) _counts.LogEntries += _server.Log.Count;
        await DisposeAsync();
        _servers++;
        _server = await FuzzServer.StartAsync(store);
        _sender = new FuzzSender(_server, _counts);
        _check = new FuzzCheck(_server, _counts, s_limit);
    }

    // On servers of their own, each half until there is one input, if it takes no more than one.
    private async Task FindCulpritAsync(List<FuzzInput> batch, string wrong)
    {
        var suspects = batch;
        while (suspects.Count > 1)
        {
            var half = suspects[..(suspects.Count / 2)];
            var other = suspects[half.Count..];
            if (await FailsAsync(half) is { } inHalf) (suspects, wrong) = (half, inHalf);
            else if (await FailsAsync(other) is { } inOther) (suspects, wrong) = (other, inOther);
            else break;
        }

        if (suspects.Count == 1) Fail(suspects[0], wrong);
        else _failures[Kind("", wrong)] = $"inputs {suspects[0].Number} to {suspects[^1].Number} together: {wrong}";
    }

    private async Task<string?> FailsAsync(List<FuzzInput> inputs)
    {
        await using var server = await FuzzServer.StartAsync(store);
        using var sender = new FuzzSender(server, new FuzzCounts());
        using var check = new FuzzCheck(server, new FuzzCounts(), s_limitOfSearch);
        if ((await sender.SendAsync(inputs)).Count > 0) server.Log.ForgetErrors();
        return await check.ProblemAsync();
    }

    private void Fail(FuzzInput input, string problem) =>
        _failures.TryAdd(Kind(input.Endpoint, problem), $"FUZZ_SEED={seed} FUZZ_FIRST={input.Number} FUZZ_INPUTS=1, {input.Endpoint}: {Short(problem, 500)}\n    {Text(input)}");

    // What is the same for all failures of a kind.
    private static string Kind(string endpoint, string problem) =>
        $"{endpoint} {new string([.. Short(problem, 60).Where(character => !char.IsDigit(character))])}";

    private static string Text(FuzzInput input) => input switch
    {
        ClientInput client => $"{client.Method} {client.Uri} {client.Authorization} {Text(client.Body)}",
        PeerInput peer => $"{peer.Method} {peer.Uri} {peer.Authorization} {Text(peer.Body)}",
        EduInput edu => Short(edu.Json, 700),
        AnswerInput answer => Text(answer.Answer),
        _ => "",
    };

    private static string Text(byte[]? body) => body is null ? "" : Short(Encoding.UTF8.GetString(body), 700);

    private static string Short(string text, int length) => (text.Length <= length ? text : text[..length] + "…").ReplaceLineEndings(" ");
}
