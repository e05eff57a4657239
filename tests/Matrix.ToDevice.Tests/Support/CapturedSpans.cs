using System.Collections.Concurrent;
using System.Diagnostics;

namespace Matrix.ToDevice.Tests;

/// <summary>Keeps the module's spans. Those of other tests' servers are among them: a test knows its own by their message IDs.</summary>
internal sealed class CapturedSpans : IDisposable
{
    private readonly ConcurrentQueue<Activity> _spans = new();
    private readonly SemaphoreSlim _ended = new(0);
    private readonly ActivityListener _listener;

    public CapturedSpans(ActivitySamplingResult sampling = ActivitySamplingResult.AllDataAndRecorded)
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Matrix.ToDevice",
            Sample = (ref _) => sampling,
            ActivityStopped = activity =>
            {
                _spans.Enqueue(activity);
                _ended.Release();
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public IReadOnlyCollection<Activity> All => _spans;

    /// <summary>The message IDs that a span names.</summary>
    public static IReadOnlyList<string> MessageIdsOf(Activity span) => (string[]?)span.GetTagItem("org.matrix.msgid") ?? [];

    /// <summary>Waits for a span of this name that names a message.</summary>
    public async Task<Activity> FindAsync(string name, string messageId)
    {
        while (true)
        {
            if (_spans.FirstOrDefault(span => span.OperationName == name && MessageIdsOf(span).Contains(messageId)) is { } found) return found;
            Assert.That(await _ended.WaitAsync(TimeLimit.OfOneWait), Is.True, $"There is no span {name} of {messageId}.");
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        _ended.Dispose();
    }
}
