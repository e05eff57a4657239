namespace Matrix.ToDevice.Tool;

/// <summary>
/// Takes everything that a store holds: all devices, then all messages, each inbox from its oldest on, then all records, then all destinations,
/// then all EDUs, each destination from its oldest on. Nothing is to be seen of it before <see cref="CompleteAsync"/>.
/// </summary>
internal interface IMoveTarget : IAsyncDisposable
{
    ValueTask AddAsync(DeviceEntry device, CancellationToken cancellationToken);

    ValueTask AddAsync(MessageEntry message, CancellationToken cancellationToken);

    ValueTask AddAsync(RecordEntry record, CancellationToken cancellationToken);

    ValueTask AddAsync(DestinationEntry destination, CancellationToken cancellationToken);

    ValueTask AddAsync(EduEntry edu, CancellationToken cancellationToken);

    /// <summary>That was all: it becomes visible in one step.</summary>
    ValueTask CompleteAsync(CancellationToken cancellationToken);
}

/// <summary>How much was moved.</summary>
internal sealed record MoveCounts(long Devices, long Messages, long Records, long Destinations, long Edus)
{
    public static MoveCounts None { get; } = new(0, 0, 0, 0, 0);
}
