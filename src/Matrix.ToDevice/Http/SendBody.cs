using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Extensions.ObjectPool;

namespace Matrix.ToDevice;

/// <summary>The targets of a send, as its body names them. Contents are slices of the body's buffer.</summary>
/// <param name="buffer">An array of the shared pool, which this owns.</param>
internal sealed class SendBody(byte[] buffer) : IDisposable
{
    private Rented<Lists> _lists = new();
    private byte[]? _buffer = buffer;

    /// <summary>The user IDs, in the order of the body, each once.</summary>
    public List<string> UserIds => _lists.Value.UserIds;

    /// <summary>How many targets there are, of all users.</summary>
    public int TargetCount => _lists.Value.Targets.Count;

    /// <summary>What an EDU's content says beside its targets; null for a client's request.</summary>
    public EduHead? Edu { get; set; }

    /// <summary>Whether the host's policy and the limits have been asked: once for each send, however often it is tried.</summary>
    public bool IsAllowed { get; set; }

    /// <summary>What the limits of its recipients have given for it, held until it is disposed.</summary>
    public SendRates.RecipientPermits? Permits { get; set; }

    /// <summary>How many contents of an EDU were left out, because they are too large or nest too deep (D15).</summary>
    public int LeftOut { get; set; }

    /// <summary>Begins a user; false when that user has been there before.</summary>
    public bool AddUser(string userId)
    {
        var lists = _lists.Value;
        lists.UserIds.Add(userId);
        lists.Users.Add((lists.Targets.Count, 0));
        return lists.Seen.Add(userId);
    }

    /// <summary>Adds a target to the latest user.</summary>
    public void AddTarget(Target target)
    {
        var lists = _lists.Value;
        lists.Targets.Add(target);
        CollectionsMarshal.AsSpan(lists.Users)[^1].Count++;
    }

    public ReadOnlyMemory<byte> ContentOf(Target target) => _buffer.AsMemory(target.Start, target.Length);

    /// <param name="user">The user's place in <see cref="UserIds"/>.</param>
    public ReadOnlySpan<Target> TargetsOf(int user)
    {
        var lists = _lists.Value;
        return CollectionsMarshal.AsSpan(lists.Targets).Slice(lists.Users[user].FirstTarget, lists.Users[user].Count);
    }

    /// <summary>Drops some of a user's messages; the result is how many.</summary>
    /// <param name="user">The user's place in <see cref="UserIds"/>.</param>
    /// <param name="devices">The devices, as the body names them; null for all.</param>
    public int Drop(int user, Func<string, bool>? devices = null)
    {
        var lists = _lists.Value;
        var dropped = 0;
        foreach (ref var target in CollectionsMarshal.AsSpan(lists.Targets).Slice(lists.Users[user].FirstTarget, lists.Users[user].Count))
        {
            if (target.IsDropped || devices?.Invoke(target.DeviceId) == false) continue;
            target = target with { IsDropped = true };
            dropped++;
        }

        return dropped;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffer, null) is { } owned)
        {
            Permits?.Dispose();
            ArrayPool<byte>.Shared.Return(owned);
        }

        _lists.Return();
    }

    /// <summary>A key of a user's map, <c>*</c> among them, and where its content lies.</summary>
    /// <param name="DeviceId">The device ID, or <c>*</c>.</param>
    /// <param name="Start">Where the content starts in the buffer.</param>
    /// <param name="Length">How long the content is, in bytes.</param>
    /// <param name="IsDropped">Whether nobody gets it: also not as one of all devices, where it is named beside <c>*</c>.</param>
    internal readonly record struct Target(string DeviceId, int Start, int Length, bool IsDropped = false);

    private sealed class Lists : IResettable
    {
        private const int MaxKept = 1024;

        public List<string> UserIds { get; } = [];
        public List<(int FirstTarget, int Count)> Users { get; } = [];
        public List<Target> Targets { get; } = [];
        public HashSet<string> Seen { get; } = [];

        public bool TryReset()
        {
            UserIds.Clear();
            Users.Clear();
            Targets.Clear();
            Seen.Clear();
            return Targets.Capacity <= MaxKept && UserIds.Capacity <= MaxKept;
        }
    }
}

/// <summary>What the content of an <c>m.direct_to_device</c> EDU says beside its targets (R80).</summary>
internal sealed record EduHead(string Sender, string EventType, string MessageId);
