using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice.Tests;

/// <summary>A homeserver's own database, with the to-device tables in it.</summary>
public class HomeserverDb(DbContextOptions<HomeserverDb> options) : DbContext(options)
{
    public DbSet<Account> Accounts => Set<Account>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Account>().HasKey(account => account.UserId);
        modelBuilder.AddToDevice();
    }
}

/// <summary>A table of the homeserver's.</summary>
public class Account
{
    public required string UserId { get; set; }
}
