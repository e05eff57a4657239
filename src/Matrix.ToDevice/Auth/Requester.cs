namespace Matrix.ToDevice;

/// <summary>Who makes a request.</summary>
public sealed record Requester
{
    /// <summary>The device that the access token belongs to. A refreshed token names the same device (R73).</summary>
    /// <param name="userId">The full user ID, <c>@localpart:server</c>.</param>
    /// <param name="deviceId">The device ID.</param>
    /// <exception cref="ArgumentException">
    /// The first is not a user ID, as a number of a table or a GUID is not: it would be delivered as the sender. Or there is no
    /// device ID: that is <see cref="WithoutDevice"/>.
    /// </exception>
    public Requester(string userId, string deviceId)
        : this(userId)
    {
        // An empty one is a device ID like others (R131).
        DeviceId = deviceId ?? throw new ArgumentException(
            $"There is no device ID. A requester without a device is {nameof(Requester)}.{nameof(WithoutDevice)}(userId).", nameof(deviceId));
    }

    private Requester(string userId)
    {
        ArgumentNullException.ThrowIfNull(userId);
        if (!userId.StartsWith('@') || !userId.Contains(':', StringComparison.Ordinal))
            throw new ArgumentException("It is not a user ID, which has the form @localpart:server.", nameof(userId));
        UserId = userId;
    }

    /// <summary>An appservice that acts as a user and without a device (R62, R101): its transactions are the user's, and it gets no messages.</summary>
    /// <param name="userId">The full user ID.</param>
    /// <exception cref="ArgumentException">It is not a user ID.</exception>
    public static Requester WithoutDevice(string userId) => new(userId);

    /// <summary>The full user ID.</summary>
    public string UserId { get; }

    /// <summary>The device; null for a requester without one.</summary>
    public string? DeviceId { get; }

    /// <summary>A guest. Guests may send and sync to-device messages (R12); the module treats them like everyone.</summary>
    public bool IsGuest { get; init; }

    /// <summary>An appservice, as itself or as one of its users (R100).</summary>
    public bool IsAppservice { get; init; }
}
