namespace LocalHomeserver;

/// <summary><c>GET keys/changes</c>: what <c>/sync</c> would have said about other users' keys between two of its tokens.</summary>
internal static class KeyChangesEndpoint
{
    public static void MapKeyChanges(this IEndpointRouteBuilder client) => client.MapGet("/keys/changes", async (
        Caller caller, string? from, string? to, KeyChanges changes, CancellationToken cancellationToken) =>
    {
        var since = SyncToken.Parse(from ?? throw Errors.MissingParam("from"), "from").Keys;

        // Only the last change of a user is known: one who changed before 'to' and again after it is named as well.
        SyncToken.Parse(to ?? throw Errors.MissingParam("to"), "to");
        var changed = await changes.ReadAsync(
            statements => DeviceLists.FindChangedAsync(statements, caller.UserId, since), cancellationToken);
        return new KeyChangesResponse(changed, []);
    });
}

internal sealed record KeyChangesResponse(IReadOnlyList<string> Changed, IReadOnlyList<string> Left);
