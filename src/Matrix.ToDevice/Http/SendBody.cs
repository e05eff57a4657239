using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Extensions.ObjectPool;

namespace Matrix.ToDevice;

/// <summary>The targets of a send, as its body names them. Contents are slices of the body's buffer, which this owns.</summary>
internal sealed class SendBody : IDisposable, IResettable
{
    // As many as requests are likely to be under way at once; each keeps its lists, unless they have grown large.
    private const int MaxPooled = 256;
    private const int MaxKept = 1024;

    private static readonly DefaultObjectPool<SendBody> s_pool = new(new DefaultPooledObjectPolicy<SendBody>(), MaxPooled);

    private readonly List<string> _userIds = [];
    private readonly List<(int FirstTarget, int Count)> _users = [];
    private readonly List<Target> _targets = [];
    private readonly HashSet<string> _seen = [];
    private byte[]? _buffer;

    /// <summary>The user IDs, in the order of the body, each once.</summary>
    public List<string> UserIds => _userIds;

    /// <summary>How many targets there are, of all users.</summary>
    public int TargetCount => _targets.Count;

    /// <summary>What an EDU's content says beside its targets; null for a client's request.</summary>
    public EduHead? Edu { get; set; }

    /// <summary>How many contents of an EDU were left out, because they are too large or nest too deep (D15).</summary>
    public int LeftOut { get; set; }

    /// <summary>A body without targets yet. Its buffer goes back to the shared pool with it.</summary>
    public static SendBody Rent(byte[] buffer)
    {
        var body = s_pool.Get();
        body._buffer = buffer;
        return body;
    }

    /// <summary>Begins a user; false when that user has been there before.</summary>
    public bool AddUser(string userId)
    {
        _userIds.Add(userId);
        _users.Add((_targets.Count, 0));
        return _seen.Add(userId);
    }

    /// <summary>Adds a target to the latest user.</summary>
    public void AddTarget(Target target)
    {
        _targets.Add(target);
        CollectionsMarshal.AsSpan(_users)[^1].Count++;
    }

    public ReadOnlyMemory<byte> ContentOf(Target target) => _buffer.AsMemory(target.Start, target.Length);

    /// <param name="user">The user's place in <see cref="UserIds"/>.</param>
    public ReadOnlySpan<Target> TargetsOf(int user) =>
        CollectionsMarshal.AsSpan(_targets).Slice(_users[user].FirstTarget, _users[user].Count);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffer, null) is not { } buffer) return;
        ArrayPool<byte>.Shared.Return(buffer);
        s_pool.Return(this);
    }

    public bool TryReset()
    {
        Edu = null;
        LeftOut = 0;
        _userIds.Clear();
        _users.Clear();
        _targets.Clear();
        _seen.Clear();
        return _targets.Capacity <= MaxKept && _userIds.Capacity <= MaxKept;
    }

    /// <summary>A key of a user's map, <c>*</c> among them, and where its content lies.</summary>
    /// <param name="DeviceId">The device ID, or <c>*</c>.</param>
    /// <param name="Start">Where the content starts in the buffer.</param>
    /// <param name="Length">How long the content is, in bytes.</param>
    internal readonly record struct Target(string DeviceId, int Start, int Length);
}

/// <summary>What the content of an <c>m.direct_to_device</c> EDU says beside its targets (R80).</summary>
internal sealed record EduHead(string Sender, string EventType, string MessageId);
