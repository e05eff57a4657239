using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// The server's inbox, with a place to do something just before and after it is read; and it knows which pages were given back.
/// </summary>
internal sealed class HookedInbox(IDeviceInbox inbox) : IDeviceInbox
{
    /// <summary>Runs before each read, with the number of the read.</summary>
    public Func<int, Task> BeforeRead { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs after each read, with the number of the read.</summary>
    public Func<int, Task> AfterRead { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs after each read, and may give another page in the place of what was read.</summary>
    public Func<InboxPage, InboxPage> Replace { get; set; } = page => page;

    /// <summary>Whether it says that every commit is signalled.</summary>
    public Func<bool> IsSignalled { get; set; } = () => false;

    public bool SignalsEveryCommit => IsSignalled();

    /// <summary>The most messages and bytes that each read has asked for.</summary>
    public ConcurrentQueue<(int Limit, int MaxBytes)> Asked { get; } = new();

    /// <summary>How many acknowledgements it has got.</summary>
    public int Acknowledged => Volatile.Read(ref _acknowledged);

    /// <summary>Holds one for each page with messages that was given back.</summary>
    public SemaphoreSlim GivenBack { get; } = new(0);

    private int _reads, _acknowledged;

    public static void Add(ISendToDeviceBuilder builder)
    {
        builder.Services.AddSingleton(provider => new HookedInbox((IDeviceInbox)provider.GetRequiredService<ITransactionStore>()));
        builder.Services.Replace(ServiceDescriptor.Singleton<IDeviceInbox>(provider => provider.GetRequiredService<HookedInbox>()));
    }

    public async ValueTask<InboxPage> ReadAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
    {
        Asked.Enqueue((limit, maxBytes));
        var number = Interlocked.Increment(ref _reads);
        await BeforeRead(number);
        var page = await inbox.ReadAsync(device, after, limit, maxBytes, cancellationToken);
        await AfterRead(number);
        return Replace(page.Messages.Count == 0 ? page : new InboxPage(page.Messages, page.HasMore, new Memory(this, page)));
    }

    public ValueTask AppendAsync(
        IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken) =>
        inbox.AppendAsync(transaction, messages, cancellationToken);

    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _acknowledged);
        return inbox.AcknowledgeAsync(device, upTo, cancellationToken);
    }

    public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) =>
        inbox.RemoveDeviceAsync(device, cancellationToken);

    private sealed class Memory(HookedInbox inbox, InboxPage page) : IDisposable
    {
        public void Dispose()
        {
            page.Dispose();
            inbox.GivenBack.Release();
        }
    }
}
