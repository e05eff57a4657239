namespace LocalHomeserver;

/// <summary>What clients need to encrypt (client-server API, "End-to-end encryption", "Cross-signing").</summary>
internal static class KeyEndpoints
{
    public static void AddKeys(this IServiceCollection services, Settings settings)
    {
        switch (settings.Store)
        {
            case "postgresql":
                services.AddSingleton<PostgreSqlKeyDatabase>();
                services.AddSingleton<IKeyDatabase>(provider => provider.GetRequiredService<PostgreSqlKeyDatabase>());
                services.AddHostedService(provider => provider.GetRequiredService<PostgreSqlKeyDatabase>());
                break;
            case "sqlite":
                services.AddSingleton<IKeyDatabase>(_ => SqliteKeyDatabase.InFile(Path.Combine(settings.Data, "keys.db")));
                break;
            default:
                services.AddSingleton<IKeyDatabase>(_ => SqliteKeyDatabase.InMemory());
                break;
        }

        services.AddHttpContextAccessor();
        services.AddSingleton<AccountDirectory>();
        services.AddSingleton<Contacts>();
        services.AddSingleton<KeyChanges>();
        services.AddSingleton<DeviceLists>();
        services.AddSingleton<DeviceKeys>();
        services.AddSingleton<CrossSigning>();
        services.AddSingleton<AccountData>();
        services.AddSingleton<DehydratedDevices>();
        services.AddSingleton<RemoteKeys>();
        services.AddHostedService<KeyWatch>();
        services.AddHostedService<DeviceListSender>();
        foreach (var eduType in (string[])[DeviceListEdus.DeviceList, DeviceListEdus.SigningKey])
            services.AddTransient<IEduHandler>(provider => new DeviceListEdus(eduType, provider.GetRequiredService<DeviceLists>()));
    }

    public static void MapKeys(this IEndpointRouteBuilder client)
    {
        client.MapKeyUpload();
        client.MapKeyQuery();
        client.MapKeyClaim();
        client.MapKeyChanges();
        client.MapCrossSigning();
        client.MapSignatures();
    }
}
