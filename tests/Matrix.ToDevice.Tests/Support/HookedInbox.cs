using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>The server's inbox, with a place to do something just when it has been read.</summary>
internal sealed class HookedInbox(IDeviceInbox inbox) : IDeviceInbox
{
    /// <summary>Runs after each read, with the number of the read.</summary>
    public Func<int, Task> AfterRead { get; set; } = _ => Task.CompletedTask;

    private int _reads;

    public static void Add(ISendToDeviceBuilder builder)
    {
        builder.Services.AddSingleton(provider => new HookedInbox((IDeviceInbox)provider.GetRequiredService<ITransactionStore>()));
        builder.Services.Replace(ServiceDescriptor.Singleton<IDeviceInbox>(provider => provider.GetRequiredService<HookedInbox>()));
    }

    public async ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        var page = await inbox.ReadAsync(device, after, limit, maxBytes, cancellationToken);
        await AfterRead(Interlocked.Increment(ref _reads));
        return page;
    }

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken) =>
        inbox.AppendAsync(transaction, messages, cancellationToken);

    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken) =>
        inbox.AcknowledgeAsync(device, upTo, cancellationToken);

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        inbox.RemoveDeviceAsync(device, cancellationToken);
}
