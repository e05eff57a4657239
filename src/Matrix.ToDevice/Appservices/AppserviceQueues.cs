using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>The appservices to which messages are pushed, and the signal that something waits for one of them.</summary>
internal sealed class AppserviceQueues(IOptions<AppserviceOptions> options)
{
    private readonly Appservice[] _receiving = [.. options.Value.Appservices.Where(appservice => appservice.ReceivesToDevice)];

    public ReadOnlySpan<Appservice> Receiving => _receiving;

    /// <summary>Wakes the sender of this host.</summary>
    public OutboxSignal Signal { get; } = new();

    /// <summary>The one whose queue this is; null when there is none on this host.</summary>
    public Appservice? Find(string destination) => Array.Find(_receiving, appservice => appservice.Destination == destination);
}
