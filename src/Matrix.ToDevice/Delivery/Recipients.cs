using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>Who gets what of a send: the messages for devices of this server, and the EDUs for other servers.</summary>
internal sealed class Recipients
{
    public const string AllDevices = "*";

    // Below this, looking through a list is faster than making a set of it.
    private const int SmallList = 16;

    public List<ToDeviceMessage> Messages { get; } = [];
    public List<OutboundEdu> Edus { get; private set; } = [];

    /// <summary>
    /// Asks the directory once about all users of the body. Whoever cannot get a message is left out without a trace in
    /// the answer (R28, D10).
    /// </summary>
    /// <exception cref="MatrixErrorException">413: a content for another server does not fit into an EDU.</exception>
    public static async ValueTask<Recipients> ResolveAsync(
        IDeviceDirectory directory, SendBody body, Send send, bool federates, ILogger logger, CancellationToken cancellationToken)
    {
        var users = body.Users.FindAll(user => MatrixUserId.IsPlausible(user.UserId));
        var recipients = new Recipients();
        if (users.Count == 0) return recipients;

        var found = await directory.FindAsync(users.ConvertAll(user => user.UserId), cancellationToken);
        if (found.Count != users.Count)
            throw new InvalidOperationException($"{directory.GetType()} was asked about {users.Count} users and answered for {found.Count}.");

        EduSplitter? edus = null;
        for (var i = 0; i < users.Count; i++)
        {
            if (!found[i].IsRemote)
                recipients.AddLocal(body, users[i], found[i].DeviceIds, send);
            else if (!federates)
                Log.NoFederationOutbox(logger);
            else if (MatrixUserId.TryGetServerName(users[i].UserId, out var destination))
                (edus ??= new EduSplitter(send)).Add(destination, body, users[i]);
        }

        if (edus is not null) recipients.Edus = edus.Finish();
        return recipients;
    }

    private void AddLocal(SendBody body, SendBody.User user, IReadOnlyCollection<string> deviceIds, Send send)
    {
        if (deviceIds.Count == 0) return;

        var known = deviceIds as IReadOnlySet<string>;
        if (known is null && deviceIds.Count > SmallList && user.TargetCount > 1) known = new HashSet<string>(deviceIds);

        var first = Messages.Count;
        SendBody.Target? forAll = null;
        foreach (var target in body.TargetsOf(user))
        {
            if (target.DeviceId == AllDevices) forAll = target;
            else if (known?.Contains(target.DeviceId) ?? deviceIds.Contains(target.DeviceId)) Add(target.DeviceId, target);
        }

        if (forAll is not { } content) return;

        // A device that is also named has its own content already (D10).
        var named = new HashSet<string>();
        for (var i = first; i < Messages.Count; i++) named.Add(Messages[i].Recipient.DeviceId);
        foreach (var deviceId in deviceIds)
            if (named.Add(deviceId)) Add(deviceId, content);

        void Add(string deviceId, SendBody.Target target) => Messages.Add(new ToDeviceMessage(
            new DeviceAddress(user.UserId, deviceId), send.Sender, send.EventType, body.ContentOf(target), send.Id));
    }
}
