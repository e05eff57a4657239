using System.Buffers;
using System.Runtime.InteropServices;

namespace Matrix.ToDevice;

/// <summary>The targets of a send, as its body names them. Contents are slices of the body's buffer, which this owns.</summary>
internal sealed class SendBody(byte[] buffer, List<SendBody.User> users, List<SendBody.Target> targets) : IDisposable
{
    private byte[]? _buffer = buffer;

    /// <summary>The users, in the order of the body, each once. Their targets stand together in the list of targets.</summary>
    public List<User> Users => users;

    public ReadOnlyMemory<byte> ContentOf(Target target) => _buffer.AsMemory(target.Start, target.Length);

    public ReadOnlySpan<Target> TargetsOf(User user) =>
        CollectionsMarshal.AsSpan(targets).Slice(user.FirstTarget, user.TargetCount);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffer, null) is { } buffer) ArrayPool<byte>.Shared.Return(buffer);
    }

    /// <summary>A key of <c>messages</c>.</summary>
    internal readonly record struct User(string UserId, int FirstTarget, int TargetCount);

    /// <summary>A key of a user's map, <c>*</c> among them, and where its content lies.</summary>
    /// <param name="DeviceId">The device ID, or <c>*</c>.</param>
    /// <param name="Start">Where the content starts in the buffer.</param>
    /// <param name="Length">How long the content is, in bytes.</param>
    /// <param name="CanonicalLength">How long the content is as canonical JSON, in bytes.</param>
    internal readonly record struct Target(string DeviceId, int Start, int Length, int CanonicalLength);
}
