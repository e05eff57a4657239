using System.Runtime.InteropServices;
using Microsoft.Extensions.ObjectPool;

namespace Matrix.ToDevice;

/// <summary>
/// Who gets what of a send: the messages for devices of this server, the EDUs for other servers, and the entries for appservices.
/// </summary>
internal sealed class Recipients(SendHead send, SendBody body, int maxEduBytes) : IDisposable
{
    public const string AllDevices = "*";

    // Below this, looking through a list is faster than making a set of it.
    private const int SmallList = 16;

    private Rented<Lists> _lists = new();

    /// <summary>For inboxes.</summary>
    public List<ToDeviceMessage> Messages => _lists.Value.Messages;

    /// <summary>For devices whose users are an appservice's alone: no inbox gets them (R105).</summary>
    public List<ToDeviceMessage> Pushed => _lists.Value.Pushed;

    /// <summary>For other servers, and then for appservices.</summary>
    public IReadOnlyList<OutboundEdu> Edus { get; private set; } = [];

    /// <summary>How many users of other servers get nothing, because there is no outbox.</summary>
    public int Unreachable { get; private set; }

    /// <summary>How many messages of an EDU no appservice gets, because not every one could read them (D24).</summary>
    public int Unreadable { get; private set; }

    /// <summary>
    /// Asks the directory once about all users of the body. Whoever cannot get a message is left out without a trace in
    /// the answer (R28, D10).
    /// </summary>
    /// <exception cref="ToDeviceErrorException">
    /// A content for another server does not fit into an EDU (413) or cannot be signed (400), or one of a client for an appservice cannot be
    /// read by every one (400).
    /// </exception>
    public async ValueTask FindAsync(
        IDeviceDirectory directory, RemoteUsers remoteUsers, AppserviceQueues? appservices, CancellationToken cancellationToken)
    {
        var users = _lists.Value.Users;
        for (var user = 0; user < body.UserIds.Count; user++)
        {
            if (MatrixUserId.IsPlausible(body.UserIds[user])) users.Add(user);
        }

        if (users.Count == 0) return;

        // The directory's own: it may keep it.
        var userIds = new string[users.Count];
        for (var i = 0; i < userIds.Length; i++) userIds[i] = body.UserIds[users[i]];
        var found = await directory.FindAsync(userIds, cancellationToken);
        if (found.Count != users.Count)
            throw new InvalidOperationException($"{directory.GetType()} was asked about {users.Count} users and answered for {found.Count}.");

        EduSplitter? edus = null;
        for (var i = 0; i < users.Count; i++)
        {
            if (!found[i].IsRemote)
                AddLocal(users[i], found[i].DeviceIds, appservices);
            else if (remoteUsers == RemoteUsers.AreUnreachable)
                Unreachable++;
            else if (remoteUsers == RemoteUsers.GetEdus && MatrixUserId.TryGetServerName(userIds[i], out var destination))
                (edus ??= new EduSplitter(send, maxEduBytes)).Add(destination, body, users[i]);
        }

        if (edus is not null) Edus = edus.Finish();
    }

    /// <summary>Makes the entries for appservices, when it is known that there are not too many messages for them.</summary>
    /// <exception cref="ToDeviceErrorException">They are too large for one of them (413).</exception>
    public void AddEntries(int maxBytes)
    {
        var queued = _lists.Value.Queued;
        if (queued.Count == 0) return;

        var entries = new AppserviceEntries(send, maxBytes);
        foreach (var (destination, message) in queued) entries.Add(destination, message);
        Edus = [.. Edus, .. entries.Finish()];
    }

    /// <summary>Nobody may use the lists any more.</summary>
    public void Dispose() => _lists.Return();

    private void AddLocal(int user, IReadOnlyCollection<string> deviceIds, AppserviceQueues? appservices)
    {
        if (deviceIds.Count == 0) return;

        var first = Messages.Count;
        AddMessages(user, deviceIds);
        if (appservices is null || Messages.Count == first) return;

        var isExclusive = false;
        List<string>? destinations = null;
        foreach (var appservice in appservices.Receiving)
        {
            var coverage = appservice.CoverageOf(body.UserIds[user]);
            if (coverage == AppserviceCoverage.None) continue;
            isExclusive |= coverage == AppserviceCoverage.Exclusive;
            (destinations ??= []).Add(appservice.Destination);
        }

        if (destinations is null) return;
        foreach (var message in CollectionsMarshal.AsSpan(Messages)[first..])
        {
            if (!IsForQueue(message)) continue;
            foreach (var destination in destinations) _lists.Value.Queued.Add((destination, message));
            if (isExclusive) Pushed.Add(message);
        }

        if (isExclusive) Messages.RemoveRange(first, Messages.Count - first);
    }

    /// <summary>A transaction comes again until the appservice has taken it: what one cannot read would hold up all that is behind it.</summary>
    private bool IsForQueue(in ToDeviceMessage message)
    {
        if (CommonJson.IsReadable(message.Content.Span)) return true;
        if (body.Edu is null)
        {
            throw new ToDeviceErrorException(ToDeviceError.BadJson(
                "A content for an appservice has half a surrogate pair, or a number beyond those of a double: not every reader of JSON can read it"));
        }

        Unreadable++;
        return false;
    }

    private void AddMessages(int user, IReadOnlyCollection<string> deviceIds)
    {
        var messages = Messages;
        var userId = body.UserIds[user];
        var targets = body.TargetsOf(user);
        var known = deviceIds as IReadOnlySet<string>;
        if (known is null && deviceIds.Count > SmallList && targets.Length > 1) known = new HashSet<string>(deviceIds);

        var first = messages.Count;
        SendBody.Target? forAll = null;
        foreach (var target in targets)
        {
            if (target.IsDropped) continue;
            if (target.DeviceId == AllDevices) forAll = target;
            else if (known?.Contains(target.DeviceId) ?? deviceIds.Contains(target.DeviceId)) Add(target.DeviceId, target);
        }

        if (forAll is not { } content) return;

        // A device that is also named has its own content already (D10).
        var named = new HashSet<string>();
        foreach (var target in targets)
            if (target.DeviceId != AllDevices) named.Add(target.DeviceId);
        foreach (var deviceId in deviceIds)
            if (named.Add(deviceId)) Add(deviceId, content);

        void Add(string deviceId, SendBody.Target target) => messages.Add(new ToDeviceMessage(
            new DeviceAddress(userId, deviceId), send.Sender, send.EventType, body.ContentOf(target), send.Id));
    }

    private sealed class Lists : IResettable
    {
        private const int MaxKept = 1024;

        public List<int> Users { get; } = [];
        public List<ToDeviceMessage> Messages { get; } = [];
        public List<ToDeviceMessage> Pushed { get; } = [];
        public List<(string Destination, ToDeviceMessage Message)> Queued { get; } = [];

        public bool TryReset()
        {
            Users.Clear();
            Messages.Clear();
            Pushed.Clear();
            Queued.Clear();
            return Messages.Capacity <= MaxKept && Users.Capacity <= MaxKept && Pushed.Capacity <= MaxKept && Queued.Capacity <= MaxKept;
        }
    }
}
