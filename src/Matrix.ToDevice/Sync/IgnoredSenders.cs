using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>Takes the messages of ignored users out of pages (R60), if the host has said that there are any.</summary>
/// <remarks>
/// The one instance of a host: a list that each request has for itself is asked in a scope of its own, since whoever syncs may
/// live longer than a request.
/// </remarks>
internal sealed class IgnoredSenders(
    IServiceScopeFactory scopes, IServiceProviderIsService registered, ToDeviceMetrics metrics, QuietLogger<IgnoredSenders> logger)
{
    private readonly bool _isAsked = registered.IsService(typeof(IIgnoredUsers));

    /// <summary>Whether the list has to be asked for: nobody ignores themselves.</summary>
    public bool Concern(DeviceAddress device, InboxPage page) =>
        _isAsked && page.Messages.Any(message => message.Sender != device.UserId);

    public async ValueTask<IReadOnlySet<string>> FindAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<IIgnoredUsers>().FindAsync(device.UserId, cancellationToken);
    }

    /// <summary>
    /// The page without the messages of ignored users, and with no more than the limit of the others, which takes its place; those of
    /// ignored users are counted and logged, never silently gone.
    /// </summary>
    public InboxPage Take(InboxPage page, DeviceAddress device, IReadOnlySet<string> ignored, int limit)
    {
        var others = page.Messages.Where(message => message.Sender == device.UserId || !ignored.Contains(message.Sender)).ToList();
        var visible = others.Take(limit).ToList();
        if (visible.Count == page.Messages.Count) return page;

        // Those behind the last one are read again, with what comes after them.
        var dropped = visible.Count == 0
            ? page.Messages.Count
            : page.Messages.Count(message => message.Position.Sequence < visible[^1].Position.Sequence) + 1 - visible.Count;
        metrics.Ignored(dropped);
        if (dropped > 0) Log.Ignored(logger, dropped, device.UserId, device.DeviceId);
        return new InboxPage(visible, page.HasMore || visible.Count < others.Count, page);
    }
}
