namespace Matrix.ToDevice;

/// <summary>How <see cref="IToDeviceTransaction.CommitAsync"/> ended.</summary>
public enum CommitResult
{
    /// <summary>Everything that was appended, and the record of the key, is visible and as durable as the store is.</summary>
    Committed,

    /// <summary>The key had been committed before, here or elsewhere. Nothing of this transaction became visible.</summary>
    AlreadyCommitted,

    /// <summary>
    /// The sending device or a recipient was removed after the caller looked them up. Nothing of this transaction
    /// became visible, and the key is not recorded: look everybody up again and try once more (D6).
    /// </summary>
    DeviceRemoved,
}
