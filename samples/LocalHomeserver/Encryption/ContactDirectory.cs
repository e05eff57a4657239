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

        // The recipients notice it when they get the message, in their /sync; not before, since that could end a long poll which the
        // message will end.
        if (http.HttpContext?.Features.Get<Caller>() is { } sender)
        {
            var recipients = userIds.Where((_, i) => found[i].IsRemote || found[i].DeviceIds.Count > 0);
            await contacts.AddAsync(sender.UserId, recipients, cancellationToken);
        }

        return found;
    }
}
