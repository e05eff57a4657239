using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;

namespace Matrix.ToDevice;

/// <summary>Who gets what of a send: the messages for devices of this server, and the EDUs for other servers.</summary>
internal sealed class Recipients : IDisposable, IResettable
{
    public const string AllDevices = "*";

    // Below this, looking through a list is faster than making a set of it.
    private const int SmallList = 16;
    private const int MaxPooled = 256;
    private const int MaxKept = 1024;

    private static readonly DefaultObjectPool<Recipients> s_pool = new(new DefaultPooledObjectPolicy<Recipients>(), MaxPooled);

    private readonly List<int> _users = [];

    public List<ToDeviceMessage> Messages { get; } = [];
    public IReadOnlyList<OutboundEdu> Edus { get; private set; } = [];

    /// <summary>
    /// Asks the directory once about all users of the body. Whoever cannot get a message is left out without a trace in
    /// the answer (R28, D10).
    /// </summary>
    /// <exception cref="ToDeviceErrorException">A content for another server does not fit into an EDU (413), or cannot be signed (400).</exception>
    public static async ValueTask<Recipients> ResolveAsync(
        IDeviceDirectory directory, SendBody body, Send send, RemoteUsers remoteUsers, bool hasOutbox, ILogger logger, CancellationToken cancellationToken)
    {
        var recipients = s_pool.Get();
        try
        {
            await recipients.FindAsync(directory, body, send, remoteUsers, hasOutbox, logger, cancellationToken);
            return recipients;
        }
        catch
        {
            recipients.Dispose();
            throw;
        }
    }

    /// <summary>Nobody may use the lists any more.</summary>
    public void Dispose() => s_pool.Return(this);

    public bool TryReset()
    {
        Messages.Clear();
        Edus = [];
        _users.Clear();
        return Messages.Capacity <= MaxKept && _users.Capacity <= MaxKept;
    }

    private async ValueTask FindAsync(
        IDeviceDirectory directory, SendBody body, Send send, RemoteUsers remoteUsers, bool hasOutbox, ILogger logger, CancellationToken cancellationToken)
    {
        for (var user = 0; user < body.UserIds.Count; user++)
        {
            if (MatrixUserId.IsPlausible(body.UserIds[user])) _users.Add(user);
        }

        if (_users.Count == 0) return;

        // The directory's own: it may keep it.
        var userIds = new string[_users.Count];
        for (var i = 0; i < userIds.Length; i++) userIds[i] = body.UserIds[_users[i]];
        var found = await directory.FindAsync(userIds, cancellationToken);
        if (found.Count != _users.Count)
            throw new InvalidOperationException($"{directory.GetType()} was asked about {_users.Count} users and answered for {found.Count}.");

        EduSplitter? edus = null;
        for (var i = 0; i < _users.Count; i++)
        {
            if (!found[i].IsRemote)
                AddLocal(body, _users[i], found[i].DeviceIds, send);
            else if (remoteUsers == RemoteUsers.AreIgnored)
                continue;
            else if (!hasOutbox)
                Log.NoFederationOutbox(logger);
            else if (MatrixUserId.TryGetServerName(userIds[i], out var destination))
                (edus ??= new EduSplitter(send)).Add(destination, body, _users[i]);
        }

        if (edus is not null) Edus = edus.Finish();
    }

    private void AddLocal(SendBody body, int user, IReadOnlyCollection<string> deviceIds, Send send)
    {
        if (deviceIds.Count == 0) return;

        var userId = body.UserIds[user];
        var targets = body.TargetsOf(user);
        var known = deviceIds as IReadOnlySet<string>;
        if (known is null && deviceIds.Count > SmallList && targets.Length > 1) known = new HashSet<string>(deviceIds);

        var first = Messages.Count;
        SendBody.Target? forAll = null;
        foreach (var target in targets)
        {
            if (target.DeviceId == AllDevices) forAll = target;
            else if (known?.Contains(target.DeviceId) ?? deviceIds.Contains(target.DeviceId)) Add(target.DeviceId, target);
        }

        if (forAll is not { } content) return;

        // A device that is also named has its own content already (D10).
        var named = new HashSet<string>();
        foreach (var message in CollectionsMarshal.AsSpan(Messages)[first..]) named.Add(message.Recipient.DeviceId);
        foreach (var deviceId in deviceIds)
            if (named.Add(deviceId)) Add(deviceId, content);

        void Add(string deviceId, SendBody.Target target) => Messages.Add(new ToDeviceMessage(
            new DeviceAddress(userId, deviceId), send.Sender, send.EventType, body.ContentOf(target), send.Id));
    }
}
