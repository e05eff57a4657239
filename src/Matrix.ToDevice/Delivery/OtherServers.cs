namespace Matrix.ToDevice;

/// <summary>The other servers that a send is for: each would get an EDU, and requests of its own until it has taken it.</summary>
internal static class OtherServers
{
    /// <summary>Counts them, before the directory is asked who belongs where: all but the sender's own, by their names (D21).</summary>
    /// <exception cref="ToDeviceErrorException">There are more.</exception>
    public static void ThrowIfMoreThan(int most, string sender, IReadOnlyList<string> userIds)
    {
        var own = MatrixUserId.ServerNameOf(sender);
        HashSet<string>? others = null;
        for (var i = 0; i < userIds.Count; i++)
        {
            var name = MatrixUserId.ServerNameOf(userIds[i]);
            if (name.SequenceEqual(own) || !MatrixUserId.IsPlausible(userIds[i]) || !MatrixUserId.IsServerName(name)) continue;

            others ??= [];
            if (others.GetAlternateLookup<ReadOnlySpan<char>>().Add(name) && others.Count > most)
                throw new ToDeviceErrorException(ToDeviceError.BadJson($"The body names users of more than {most} other servers"));
        }
    }
}
