using System.Diagnostics;

namespace Matrix.ToDevice;

/// <summary>
/// The module's spans, of the source <c>Matrix.ToDevice</c>. What a message goes through is linked: its hand-out and its transaction to
/// another server point to the send, as long as this host remembers it; beyond that, <c>org.matrix.msgid</c> joins them. No contents, no
/// tokens and no recipients (D17), and no cost when nobody listens.
/// </summary>
internal sealed class ToDeviceTraces
{
    public const string SourceName = "Matrix.ToDevice";
    public const string Outcome = "matrix.to_device.outcome";
    private const string EventType = "matrix.to_device.event_type", Messages = "matrix.to_device.messages", Edus = "matrix.to_device.edus",
        MessageIdTag = "org.matrix.msgid";

    // As deep as a content's keys are: in messages, by user and device; in an array, with its addresses.
    private const int DepthInEdu = 4, DepthInEntry = 3;

    private static readonly ActivitySource s_source = new(SourceName);

    private readonly RecentContexts<long> _sends = new();
    private readonly RecentContexts<string> _edus = new();

    /// <summary>A client's send, from the first look to the answer.</summary>
    public static TraceSpan Send() => Start("to_device.send", ActivityKind.Producer);

    /// <summary>An EDU of another server.</summary>
    public static TraceSpan Receive(string origin)
    {
        var span = Start("to_device.federation.receive", ActivityKind.Consumer);
        span.Wanted?.SetTag("matrix.to_device.origin", origin);
        return span;
    }

    /// <summary>The send or the EDU that goes on at the moment is about to be committed: whatever becomes of its messages is linked to it.</summary>
    public void Committing(in SendHead send, Recipients recipients)
    {
        if (!s_source.HasListeners() || Activity.Current is not { IsAllDataRequested: true } activity || activity.Source != s_source) return;

        activity.SetTag(EventType, KnownEventTypes.Tag(send.EventType));
        activity.SetTag(Messages, recipients.Messages.Count);
        activity.SetTag(Edus, recipients.Edus.Count);
        var ids = new MessageIds();
        foreach (var message in recipients.Messages) ids.Add(message.Content);
        foreach (var message in recipients.Pushed) ids.Add(message.Content);
        foreach (var edu in recipients.Edus)
        {
            _edus.Add(edu.MessageId, activity.Context);
            if (!Appservice.IsDestination(edu.Destination)) ids.Add(edu.Content, DepthInEdu);
        }

        _sends.Add(send.Id, activity.Context);
        ids.TagOn(activity, MessageIdTag);
    }

    /// <summary>Messages are in a sync response.</summary>
    public void HandedOut(IReadOnlyList<InboxMessage> messages)
    {
        if (!s_source.HasListeners()) return;

        using var span = Start("to_device.hand_out", ActivityKind.Consumer, _sends.LinksTo(messages.Select(message => message.Position.SendId)));
        if (span.Wanted is not { } activity) return;
        activity.SetTag(Messages, messages.Count);
        var ids = new MessageIds();
        foreach (var message in messages) ids.Add(message.Content);
        ids.TagOn(activity, MessageIdTag);
    }

    /// <summary>A transaction to another server.</summary>
    public TraceSpan Transaction(string destination, IReadOnlyList<OutboxEntry> edus) =>
        Outgoing("to_device.federation.send", "server.address", destination, edus, DepthInEdu);

    /// <summary>A transaction to an appservice.</summary>
    public TraceSpan Push(string appservice, IReadOnlyList<OutboxEntry> entries) =>
        Outgoing("to_device.appservice.push", "matrix.to_device.appservice", appservice, entries, DepthInEntry);

    private static TraceSpan Start(string name, ActivityKind kind, IEnumerable<ActivityLink>? links = null) =>
        s_source.HasListeners() ? TraceSpan.Start(s_source, name, kind, links) : default;

    private TraceSpan Outgoing(string name, string tag, string whom, IReadOnlyList<OutboxEntry> edus, int depth)
    {
        if (!s_source.HasListeners()) return default;

        var span = Start(name, ActivityKind.Client, _edus.LinksTo(edus.Select(edu => edu.MessageId)));
        if (span.Wanted is not { } activity) return span;
        activity.SetTag(tag, whom);
        activity.SetTag(Edus, edus.Count);
        var ids = new MessageIds();
        foreach (var edu in edus) ids.Add(edu.Content, depth);
        ids.TagOn(activity, MessageIdTag);
        return span;
    }
}
