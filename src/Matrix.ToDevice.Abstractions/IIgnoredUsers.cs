namespace Matrix.ToDevice;

/// <summary>The homeserver's lists of whom its users ignore: the account data <c>m.ignored_user_list</c> (R60).</summary>
public interface IIgnoredUsers
{
    /// <summary>Tells whom a user ignores at this moment.</summary>
    /// <remarks>
    /// Called when messages of others would be handed out to a device of the user, and not for each empty sync. Any exception means
    /// that the list is not to be had at the moment: the client is told to try again later (503, D3), and no message is lost.
    /// </remarks>
    /// <param name="userId">The full user ID.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Full user IDs. The user's own among them has no effect.</returns>
    ValueTask<IReadOnlySet<string>> FindAsync(string userId, CancellationToken cancellationToken);
}
