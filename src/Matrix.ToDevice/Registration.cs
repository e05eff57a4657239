using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>Tells a host at start what it forgot to register, and the call that mends it.</summary>
internal static class Registration
{
    public static void ThrowIfIncomplete(IServiceProvider services, string caller)
    {
        var registered = services.GetRequiredService<IServiceProviderIsService>();
        Require<ToDeviceSync>("builder.Services.AddSendToDevice()");
        Require<ITransactionStore>("a store, for example .UseInMemory(), behind AddSendToDevice()");
        Require<IDeviceInbox>("a store, for example .UseInMemory(), behind AddSendToDevice()");
        Require<IAuthResolver>(".UseAuth<YourAuthResolver>() or .UseClaimsAuth(…) behind AddSendToDevice()");
        Require<IDeviceDirectory>(".UseDirectory<YourDeviceDirectory>() behind AddSendToDevice()");

        void Require<TService>(string call)
        {
            if (!registered.IsService(typeof(TService)))
                throw new InvalidOperationException($"{caller}() needs {typeof(TService).Name}. Add {call}.");
        }
    }
}
