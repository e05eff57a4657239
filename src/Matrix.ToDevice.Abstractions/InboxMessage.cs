namespace Matrix.ToDevice;

/// <summary>One message in the inbox of a device, as the device will see it (R30).</summary>
/// <param name="Position">Where it stands in the inbox.</param>
/// <param name="Sender">The sender's user ID.</param>
/// <param name="EventType">The event type.</param>
/// <param name="Content">The content as it was sent (D9), UTF-8 JSON; valid until the <see cref="InboxPage"/> is disposed.</param>
public readonly record struct InboxMessage(
    InboxPosition Position, string Sender, string EventType, ReadOnlyMemory<byte> Content)
{
    // A page has many of them: a third of the bytes of what it says.
    private readonly long _committedTicks;

    /// <summary>When its send was committed, by the store's clock; null when the store does not tell. See <see cref="IStoreUpkeep"/>.</summary>
    public DateTimeOffset? CommittedAt
    {
        get => _committedTicks == 0 ? null : new DateTimeOffset(_committedTicks, TimeSpan.Zero);
        init => _committedTicks = value?.UtcTicks ?? 0;
    }
}
