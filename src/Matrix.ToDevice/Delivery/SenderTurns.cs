using System.Runtime.InteropServices;

namespace Matrix.ToDevice;

/// <summary>
/// Lets a few sends of a user, or EDUs of a server, go to the store at once. Those of one sender wait there for each other in any case,
/// for its device's row, and while they do, they would have the places of everybody else.
/// </summary>
internal sealed class SenderTurns
{
    private const int AtOnce = 4;

    // As many as requests are likely to be under way at once.
    private const int MostSpare = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Line> _lines = new(StringComparer.Ordinal);

    // Most sends are alone in their line, and each would have one made for it.
    private readonly Stack<Line> _spare = [];

    /// <summary>Waits until it is the sender's turn; disposing the result ends that.</summary>
    public async ValueTask<Turn> TakeAsync(string sender, CancellationToken cancellationToken)
    {
        Line line;
        lock (_lock)
        {
            ref var found = ref CollectionsMarshal.GetValueRefOrAddDefault(_lines, sender, out _);
            line = found ??= _spare.TryPop(out var spare) ? spare : new Line();
            line.Count++;
        }

        try
        {
            await line.Places.WaitAsync(cancellationToken);
        }
        catch
        {
            Leave(sender, line);
            throw;
        }

        return new Turn(this, sender, line);
    }

    private void Leave(string sender, Line line)
    {
        lock (_lock)
        {
            if (--line.Count > 0) return;
            _lines.Remove(sender);
            // Everybody has left, so that all places are free again.
            if (_spare.Count < MostSpare) _spare.Push(line);
        }
    }

    /// <summary>Those of one sender: who waits, and who has a turn.</summary>
    internal sealed class Line
    {
        public int Count;

        public SemaphoreSlim Places { get; } = new(AtOnce);
    }

    /// <summary>One turn.</summary>
    internal readonly struct Turn(SenderTurns turns, string sender, Line line) : IDisposable
    {
        public void Dispose()
        {
            line.Places.Release();
            turns.Leave(sender, line);
        }
    }
}
