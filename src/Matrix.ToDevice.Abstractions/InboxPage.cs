namespace Matrix.ToDevice;

/// <summary>What a read of an inbox found. Dispose it when its contents have been written out.</summary>
/// <param name="messages">The messages, in the order of their positions.</param>
/// <param name="hasMore">Whether the inbox held more messages behind these.</param>
/// <param name="memory">Owner of the memory that the contents lie in, if it is to be given back.</param>
public sealed class InboxPage(IReadOnlyList<InboxMessage> messages, bool hasMore, IDisposable? memory = null) : IDisposable
{
    private IDisposable? _memory = memory;
    private bool _disposed;

    /// <summary>A page without messages.</summary>
    public static InboxPage Empty { get; } = new([], hasMore: false);

    /// <summary>The messages, in the order of their positions (R51).</summary>
    /// <exception cref="ObjectDisposedException">There were some, and their memory may be somebody else's by now.</exception>
    public IReadOnlyList<InboxMessage> Messages
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return messages;
        }
    }

    /// <summary>Whether the inbox held more messages behind these (D13).</summary>
    public bool HasMore { get; } = hasMore;

    /// <summary>Gives the memory of the contents back; they must not be used any more. Harmless when repeated.</summary>
    public void Dispose()
    {
        // The empty page is everybody's.
        _disposed = messages.Count > 0;
        Interlocked.Exchange(ref _memory, null)?.Dispose();
    }
}
