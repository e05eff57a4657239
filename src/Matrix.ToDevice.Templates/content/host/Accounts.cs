using Matrix.ToDevice;

namespace MyHomeserver;

/// <summary>
/// Stands for your users. It has those of the setting "Accounts", which appsettings.Development.json fills with two; without it there
/// are none, and every request is answered 401.
/// </summary>
internal sealed class Accounts(IConfiguration configuration)
{
    private readonly Account[] _accounts = configuration.GetSection("Accounts").Get<Account[]>() ?? [];

    public DeviceAddress? FindByToken(string token) => Array.Find(_accounts, account => account.AccessToken == token)?.Device;

    public IReadOnlyCollection<string> DevicesOf(string userId) =>
        [.. _accounts.Where(account => account.UserId == userId).Select(account => account.DeviceId)];

    private sealed record Account(string UserId, string DeviceId, string AccessToken)
    {
        public DeviceAddress Device => new(UserId, DeviceId);
    }
}
