using Microsoft.EntityFrameworkCore;

namespace CustomStore;

/// <summary>The homeserver's own database, with the to-device tables in it.</summary>
public sealed class HomeserverDb(DbContextOptions<HomeserverDb> options) : DbContext(options)
{
    public DbSet<User> Users => Set<User>();
    public DbSet<Device> Devices => Set<Device>();
    public DbSet<SendLogEntry> SendLog => Set<SendLogEntry>();

    public DbSet<TransactionRow> Transactions => Set<TransactionRow>();
    public DbSet<InboxRow> Inboxes => Set<InboxRow>();
    public DbSet<MessageRow> Messages => Set<MessageRow>();
    public DbSet<RemovalRow> Removals => Set<RemovalRow>();
    public DbSet<EduRow> Edus => Set<EduRow>();
    public DbSet<DestinationRow> Destinations => Set<DestinationRow>();
    public DbSet<CounterRow> Counters => Set<CounterRow>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<User>().HasKey(user => user.UserId);
        modelBuilder.Entity<Device>().HasKey(device => new { device.UserId, device.DeviceId });
        modelBuilder.Entity<Device>().HasIndex(device => device.AccessToken).IsUnique();
        ToDeviceTables.Add(modelBuilder);
    }
}

public sealed class User
{
    public required string UserId { get; init; }
    public bool Deactivated { get; set; }
}

public sealed class Device
{
    public required string UserId { get; init; }
    public required string DeviceId { get; init; }
    public required string AccessToken { get; init; }
}

/// <summary>For the homeserver's statistics: who has sent what kind of thing to how many devices.</summary>
public sealed class SendLogEntry
{
    public long Id { get; init; }
    public required string UserId { get; init; }
    public required string EventType { get; init; }
    public int Messages { get; init; }
}
