using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// The accounts' answer to the library's question "which devices are there?", and a place to notice who sends to whom: the
/// library asks once for each send, with all its recipients.
/// </summary>
internal sealed class ContactDirectory(AccountDirectory accounts, Contacts contacts, IHttpContextAccessor http) : IDeviceDirectory
{
    public async ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        var found = await accounts.FindAsync(userIds, cancellationToken);

        // A message from another server has no sender here; its recipients notice it when they get it, in their /sync.
        if (http.HttpContext?.Features.Get<Caller>() is { } sender)
        {
            var recipients = userIds.Where((_, i) => found[i].IsRemote || found[i].DeviceIds.Count > 0);
            await contacts.MeetAsync(sender.UserId, recipients, cancellationToken);
        }

        return found;
    }
}
