using System.Threading.Channels;

namespace Matrix.ToDevice;

/// <summary>Wakes the sender of this host when the outbox has something for it. A hint: the sender also looks by itself.</summary>
internal sealed class OutboxSignal
{
    private readonly Channel<bool> _wakeUps = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    private Func<string, bool>? _isServed;

    /// <summary>EDUs were committed. Destinations that are being sent to need no wake-up: who sends looks again at the end.</summary>
    public void Committed(IReadOnlyList<OutboundEdu> edus)
    {
        if (edus.Count == 0 || Volatile.Read(ref _isServed) is not { } isServed) return;
        for (var i = 0; i < edus.Count; i++)
        {
            if (isServed(edus[i].Destination)) continue;
            Wake();
            return;
        }
    }

    public void Wake() => _wakeUps.Writer.TryWrite(true);

    /// <summary>Waits for the next wake-up, or for so long.</summary>
    public async ValueTask WaitAsync(TimeSpan atMost, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            await _wakeUps.Reader.WaitToReadAsync(cancellationToken).AsTask().WaitAsync(atMost, time, cancellationToken);
        }
        catch (TimeoutException)
        {
        }

        _wakeUps.Reader.TryRead(out _);
    }

    /// <summary>There is a sender, which knows whom it sends to.</summary>
    public void Serve(Func<string, bool> isServed) => Volatile.Write(ref _isServed, isServed);
}
