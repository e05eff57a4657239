using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>Whose messages a user does not want (R60), if the host has said that there are any.</summary>
/// <remarks>
/// The one instance of a host: a list that each request has for itself is asked in a scope of its own, since whoever syncs may
/// live longer than a request.
/// </remarks>
internal sealed class IgnoredSenders(IServiceScopeFactory scopes, IServiceProviderIsService registered)
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
}
