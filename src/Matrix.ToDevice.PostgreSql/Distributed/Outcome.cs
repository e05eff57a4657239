namespace Matrix.ToDevice;

/// <summary>How a send has ended, as <c>to_device_accept</c> says it.</summary>
internal enum Outcome : long
{
    /// <summary>It is accepted.</summary>
    Accepted = 0,

    /// <summary>It was accepted before, by this very attempt.</summary>
    AcceptedBefore = 1,

    /// <summary>It was accepted before, by another attempt.</summary>
    AcceptedByOther = 2,

    /// <summary>One of the devices was removed after the removal that the send knows of.</summary>
    Removed = 3,
}
