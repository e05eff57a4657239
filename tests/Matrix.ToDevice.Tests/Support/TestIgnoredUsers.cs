namespace Matrix.ToDevice.Tests;

/// <summary>Whom a test's users ignore, in the place of a host's own lists.</summary>
internal sealed class TestIgnoredUsers : IIgnoredUsers
{
    private int _asked;

    /// <summary>Whom everybody ignores.</summary>
    public IReadOnlySet<string> Ignored { get; set; } = new HashSet<string>();

    /// <summary>How often somebody has asked.</summary>
    public int Asked => Volatile.Read(ref _asked);

    /// <summary>What the list says instead.</summary>
    public Exception? Failure { get; set; }

    public ValueTask<IReadOnlySet<string>> FindAsync(string userId, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _asked);
        return Failure is null ? ValueTask.FromResult(Ignored) : throw Failure;
    }
}
