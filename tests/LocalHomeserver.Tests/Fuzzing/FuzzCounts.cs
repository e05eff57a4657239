using System.Collections.Concurrent;

namespace LocalHomeserver.Tests;

/// <summary>What a run has seen.</summary>
internal sealed class FuzzCounts
{
    private readonly ConcurrentDictionary<string, long> _endpoints = [];
    private readonly long[] _classes = new long[6];
    private long _stalls, _cut;

    public long Checks { get; set; }

    public long Delivered { get; set; }

    public long LogEntries { get; set; }

    public int Endpoints => _endpoints.Count;

    public long Of(int statusClass) => Volatile.Read(ref _classes[statusClass]);

    public void Add(FuzzInput input, int status = 0)
    {
        _endpoints.AddOrUpdate(input.Endpoint, 1, (_, count) => count + 1);
        Interlocked.Increment(ref _classes[status / 100]);
    }

    /// <summary>Something waited in vain.</summary>
    public string Stall(string what)
    {
        Interlocked.Increment(ref _stalls);
        return what;
    }

    /// <summary>The server broke a connection.</summary>
    public string Cut(string what)
    {
        Interlocked.Increment(ref _cut);
        return what;
    }

    public override string ToString() =>
        $"{Endpoints} endpoints ({Of(2)} 2xx, {Of(4)} 4xx), {Checks} checks, {Delivered} messages delivered, {LogEntries} log entries: "
        + $"{Volatile.Read(ref _stalls)} stalls, {Of(5)} 5xx, {Volatile.Read(ref _cut)} connections cut";
}
