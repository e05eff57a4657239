using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>The server's inbox, with a place to do something just before and after it is read.</summary>
internal sealed class HookedInbox(IDeviceInbox inbox) : IDeviceInbox
{
    /// <summary>Runs before each read, with the number of the read.</summary>
    public Func<int, Task> BeforeRead { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs after each read, with the number of the read.</summary>
    public Func<int, Task> AfterRead { get; set; } = _ => Task.CompletedTask;

    private int _reads;

    public static void Add(ISendToDeviceBuilder builder)
    {
        builder.Services.AddSingleton(provider => new HookedInbox((IDeviceInbox)provider.GetRequiredService<ITransactionStore>()));
        builder.Services.Replace(ServiceDescriptor.Singleton<IDeviceInbox>(provider => provider.GetRequiredService<HookedInbox>()));
    }

    public async ValueTask<InboxPage> ReadAsync(DeviceAddress device, InboxPosition after, int limit, CancellationToken cancellationToken)
    {
        var number = Interlocked.Increment(ref _reads);
        await BeforeRead(number);
        var page = await inbox.ReadAsync(device, after, limit, cancellationToken);
        await AfterRead(number);
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
